/** The official sockjs-client; envelopes are its messages. */

import SockJS from "sockjs-client";

import { EnvelopeLine } from "./websocket.mjs";

export class SockJs extends EnvelopeLine {
  #line;
  #transports;

  /** Over these, or over what the client finds by itself. */
  constructor(...transports) {
    super();
    this.#transports = transports;
  }

  open(base) {
    const url = new URL("/sockjs/chat", base).href;
    this.#line = new SockJS(url, null, { transports: this.#transports });
    this.#line.onmessage = ({ data }) => this.receive(data);
    this.#line.onclose = ({ code, reason }) => {
      const error = new Error(`SockJS closed with ${code} ${reason}`);
      this.failed(error);
      this.calls.abandon(error);
    };
  }

  send(text) {
    this.#line.send(text);
  }

  async close() {
    if (this.#line.readyState === SockJS.CLOSED) return;
    await new Promise((resolve) => {
      this.#line.onclose = resolve;
      this.#line.close();
    });
  }
}
