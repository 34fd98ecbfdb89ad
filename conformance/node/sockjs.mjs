/** SockJS at a server: the official client, and sessions that speak HTTP by hand. */

import SockJS from "sockjs-client";

import { Inbox, within } from "./wait.mjs";

let count = 0;

/** The two kinds of clients, for the server whose addresses `http` makes. */
export function clientsOf(server) {
  /** A session that speaks HTTP by hand. */
  class Session {
    #prefix;
    #name = `session-${process.pid}-${count++}`;

    constructor(prefix) {
      this.#prefix = prefix;
    }

    url(transport, node = "000") {
      return server.http(`${this.#prefix}/${node}/${this.#name}/${transport}`);
    }

    async poll(node) {
      const response = await fetch(this.url("xhr", node), { method: "POST" });
      return within(response.text(), "the poll");
    }

    /** A response of a transport that streams: read as it comes, and aborted on demand. */
    async stream(transport) {
      const stop = new AbortController();
      const method = transport === "xhr_streaming" ? "POST" : "GET";
      const response = await fetch(this.url(transport), { method, signal: stop.signal });
      return new Stream(response, stop);
    }

    async send(body, node) {
      const response = await fetch(this.url("xhr_send", node), { method: "POST", body });
      return { status: response.status, body: await response.text() };
    }
  }

  /** The official client with an inbox. */
  class Client {
    #line;
    #arrived = new Inbox();
    #opened;
    #closed;

    constructor(prefix, transports) {
      this.#line = new SockJS(server.http(prefix), null, { transports });
      this.#line.onmessage = ({ data }) => this.#arrived.push(data);
      this.#opened = new Promise((resolve) => {
        this.#line.onopen = resolve;
      });
      this.#closed = new Promise((resolve) => {
        this.#line.onclose = ({ code, reason, wasClean }) => resolve({ code, reason, wasClean });
      });
    }

    static async open(prefix, transports) {
      const client = new Client(prefix, transports);
      const failed = client.#closed.then(({ code, reason }) => {
        throw new Error(`${prefix} closed with ${code} ${reason}`);
      });
      // Once it is open, its end is no failure.
      failed.catch(() => {});
      await within(Promise.race([client.#opened, failed]), `${prefix} to open`);
      return client;
    }

    send(text) {
      this.#line.send(text);
    }

    next() {
      return this.#arrived.next();
    }

    take(count) {
      return this.#arrived.take(count);
    }

    closed() {
      return within(this.#closed, "the close");
    }

    close() {
      this.#line.close();
      return this.closed();
    }
  }

  return { Client, Session };
}

/** The body of a response that streams. */
class Stream {
  #reader;
  #stop;
  text = "";

  constructor(response, stop) {
    this.#reader = response.body.getReader();
    this.#stop = stop;
  }

  /** Reads until this has come. */
  async until(what) {
    while (!this.text.includes(what)) {
      const { value, done } = await within(this.#reader.read(), JSON.stringify(what));
      if (done) throw new Error(`the stream ended before ${JSON.stringify(what)}`);
      this.text += Buffer.from(value).toString();
    }
  }

  /** Reads until the server ends it. */
  async ended() {
    for (;;) {
      const { value, done } = await within(this.#reader.read(), "the end of the stream");
      if (done) return this.text;
      this.text += Buffer.from(value).toString();
    }
  }

  abort() {
    this.#stop.abort();
  }
}
