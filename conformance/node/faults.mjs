/** A proxy between client and server that cuts, strands and delays WebSockets. */

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** How long the server keeps a line whose client is gone. */
const STRANDED_MS = 3_000;

export class FaultProxy {
  /**
   * What befalls the next WebSocket, or nothing: `{ kind, after, delayMs }`. It breaks once so many
   * bytes came behind the handshake. `cut`: on both sides. `half-open`: the server is not told.
   * `late`: on both sides, and until then all comes late, so that some of it is lost.
   */
  fate = () => undefined;
  /** How many lines broke. */
  cuts = 0;
  #server;
  #target;
  #sockets = new Set();
  /** Connections wait for it. */
  #gate = Promise.resolve();
  #open = () => {};

  static async start(target) {
    const proxy = new FaultProxy();
    proxy.#target = target;
    proxy.#server = createServer((client) => proxy.#carry(client));
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  url(path) {
    return `http://127.0.0.1:${this.#server.address().port}${path}`;
  }

  /** Lets new connections wait until `release`. */
  hold() {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  release() {
    this.#open();
  }

  /** Breaks all lines that there are. */
  cut() {
    this.cuts += 1;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #carry(client) {
    this.#keep(client);
    await this.#gate;
    if (client.destroyed) return;
    const line = new Line(client, this.#keep(connect(this.#target)));
    client.once("data", (head) => {
      if (/^upgrade: *websocket/im.test(head.toString("latin1"))) {
        line.fate = this.fate();
        line.broken = () => {
          this.cuts += 1;
        };
      }
      line.begin(head);
    });
  }

  #keep(socket) {
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => this.#sockets.delete(socket));
    return socket;
  }
}

class Line {
  fate;
  broken = () => {};
  #client;
  #server;
  #came = 0;
  #over = false;
  /** The answer to the handshake has not come yet. */
  #opening = true;

  constructor(client, server) {
    this.#client = client;
    this.#server = server;
    client.once("close", () => this.#end(server));
    server.once("close", () => this.#end(client));
  }

  begin(head) {
    this.#server.write(head);
    this.#client.on("data", (bytes) => this.#pass(bytes, this.#server));
    this.#server.on("data", (bytes) => {
      if (this.#opening) {
        this.#opening = false;
        this.#client.write(bytes);
      } else {
        this.#pass(bytes, this.#client);
      }
    });
  }

  #pass(bytes, to) {
    if (this.#over) return;
    this.#came += bytes.length;
    if (this.fate && this.#came > this.fate.after) return this.#break();
    if (this.fate?.kind !== "late") return to.write(bytes);
    setTimeout(() => {
      if (!this.#over) to.write(bytes);
    }, this.fate.delayMs);
  }

  #break() {
    this.#over = true;
    this.broken();
    this.#client.resetAndDestroy();
    if (this.fate.kind !== "half-open") this.#server.resetAndDestroy();
  }

  #end(other) {
    if (!this.#over || this.fate?.kind !== "half-open") return other.destroy();
    const timer = setTimeout(() => other.destroy(), STRANDED_MS);
    other.once("close", () => clearTimeout(timer));
  }
}

/** The same numbers for the same seed: `random(n)` is below `n`. */
export function randomOf(seed) {
  let state = seed >>> 0;
  return (below) => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
