/** An HTTP proxy between client and server where requests or answers can be made to wait. */

import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import { buffer } from "node:stream/consumers";

import { Inbox } from "./wait.mjs";

export class Gate {
  /** Requests or answers that wait. */
  waiting = new Inbox();
  /** Is told what the server says over WebSockets. */
  overhear = () => {};
  #server;
  #target;
  #end = () => {};
  #holds = () => false;
  #holdsAnswer;
  #gate = Promise.resolve();
  #open = () => {};

  /** Resolves when a WebSocket has ended. */
  ended = new Promise((resolve) => {
    this.#end = resolve;
  });

  static async start(target) {
    const gate = new Gate();
    gate.#target = target;
    gate.#server = createServer((asked, answer) => gate.#pass(asked, answer));
    gate.#server.on("upgrade", (asked, socket, head) => gate.#join(asked, socket, head));
    gate.#server.listen(0, "127.0.0.1");
    await once(gate.#server, "listening");
    gate.url = `http://127.0.0.1:${gate.#server.address().port}`;
    return gate;
  }

  /** Lets requests of this kind wait until `release`. */
  hold(kind) {
    this.#holds = kind;
    this.#shut();
  }

  /** Lets answers wait whose text is of this kind. Until then none is passed on before its end. */
  holdAnswers(kind) {
    this.#holdsAnswer = kind;
    this.#shut();
  }

  #shut() {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  release() {
    this.#holds = () => false;
    this.#holdsAnswer = undefined;
    this.#open();
  }

  async close() {
    this.release();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #pass(asked, answer) {
    if (this.#holds(asked)) {
      this.waiting.push(asked);
      await this.#gate;
    }
    const { method, url: path, headers } = asked;
    const passed = request({ ...this.#target, method, path, headers });
    passed.on("response", (answered) => this.#answer(answered, answer));
    passed.on("error", () => answer.destroy());
    answer.on("close", () => passed.destroy());
    asked.pipe(passed);
  }

  async #answer(answered, answer) {
    if (!this.#holdsAnswer) {
      answer.writeHead(answered.statusCode, answered.headers);
      return answered.pipe(answer);
    }
    const body = await buffer(answered);
    if (this.#holdsAnswer?.(body.toString())) {
      this.waiting.push(body);
      await this.#gate;
    }
    return answer.writeHead(answered.statusCode, answered.headers).end(body);
  }

  /** A WebSocket: its bytes as they are. */
  #join({ method, url, rawHeaders }, socket, head) {
    const line = connect(this.#target);
    line.write(`${method} ${url} HTTP/1.1\r\n`);
    for (let at = 0; at < rawHeaders.length; at += 2) {
      line.write(`${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`);
    }
    line.write("\r\n");
    line.write(head);
    line.on("data", (bytes) => this.overhear(bytes));
    line.pipe(socket).pipe(line);
    for (const end of [line, socket]) end.on("error", () => {});
    line.on("close", () => {
      socket.destroy();
      this.#end();
    });
  }
}
