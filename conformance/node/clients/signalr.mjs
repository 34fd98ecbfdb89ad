/** The official SignalR client. */

import { HttpTransportType, HubConnectionBuilder, LogLevel } from "@microsoft/signalr";

import { EVENTS, Member } from "./member.mjs";

const RECORD_SEPARATOR = "\u001e";

export class SignalR extends Member {
  // The server's receive limit is 32 KiB for the whole record.
  sayMax = 30_000;
  #hub;
  #transport;

  /** Over this transport, or over what the client finds by itself. */
  constructor(transport) {
    super();
    this.#transport = transport && HttpTransportType[transport];
  }

  async open(base) {
    this.#hub = new HubConnectionBuilder()
      .withUrl(new URL("/signalr/chat", base).href, { transport: this.#transport })
      .configureLogging(LogLevel.None)
      .build();
    for (const event of EVENTS) {
      this.#hub.on(event, (...args) => this.heard(event, args));
    }
    await this.#hub.start();
  }

  say(text) {
    return this.#hub.invoke("say", text);
  }

  sayJson(json) {
    // The library would write the JSON its own way; `connection` is what it writes it to.
    const record = `{"type":1,"target":"say","arguments":[${json}]}`;
    return this.#hub.connection.send(record + RECORD_SEPARATOR);
  }

  call(name, ...args) {
    return this.#hub.invoke(name, ...args);
  }

  close() {
    return this.#hub.stop();
  }
}
