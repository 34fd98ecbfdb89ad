/** The official socket.io-client, over the transports that it is given. */

import { io } from "socket.io-client";

import { within } from "../wait.mjs";
import { Member } from "./member.mjs";

export class SocketIo extends Member {
  // The server's maxPayload is 1e6 bytes for the whole packet.
  sayMax = 900_000;
  #socket;
  #transports;

  constructor(transports) {
    super();
    this.#transports = transports;
  }

  async open(base) {
    this.#socket = io(new URL("/chat", base).href, {
      transports: this.#transports,
      forceNew: true,
      reconnection: false,
    });
    this.#socket.onAny((event, ...args) => this.heard(event, args));
    this.#socket.on("connect_error", (error) => this.failed(error));
  }

  async connect(base) {
    await super.connect(base);
    const { engine } = this.#socket.io;
    const last = this.#transports.at(-1);
    // The way up to the last transport is part of what is tested.
    const upgraded = new Promise((resolve) => engine.once("upgrade", resolve));
    if (engine.transport.name !== last) await within(upgraded, `the upgrade to ${last}`);
    return this;
  }

  say(text) {
    return this.#socket.emitWithAck("say", text);
  }

  sayJson(json) {
    // The library would write the JSON its own way.
    this.#socket.io.engine.write(`2/chat,["say",${json}]`);
    return Promise.resolve();
  }

  call(name, ...args) {
    return this.#socket.emitWithAck(name, ...args);
  }

  close() {
    this.#socket.disconnect();
    return Promise.resolve();
  }
}
