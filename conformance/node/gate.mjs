/** An HTTP proxy between client and server where requests of one kind can be made to wait. */

import { once } from "node:events";
import { createServer, request } from "node:http";

import { Inbox } from "./wait.mjs";

export class Gate {
  /** Requests that wait. */
  waiting = new Inbox();
  #server;
  #target;
  #holds = () => false;
  #gate = Promise.resolve();
  #open = () => {};

  static async start(target) {
    const gate = new Gate();
    gate.#target = target;
    gate.#server = createServer((asked, answer) => gate.#pass(asked, answer));
    gate.#server.listen(0, "127.0.0.1");
    await once(gate.#server, "listening");
    gate.url = `http://127.0.0.1:${gate.#server.address().port}`;
    return gate;
  }

  /** Lets requests of this kind wait until `release`. */
  hold(kind) {
    this.#holds = kind;
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  release() {
    this.#holds = () => false;
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
    passed.on("response", (answered) => {
      answer.writeHead(answered.statusCode, answered.headers);
      answered.pipe(answer);
    });
    passed.on("error", () => answer.destroy());
    answer.on("close", () => passed.destroy());
    asked.pipe(passed);
  }
}
