/**
 * Members of a room of `--suite churn` that come back whenever their line ends, each as its own
 * client does:
 *
 * - `start()` resolves once it is in the room;
 * - `heard` is the inbox of the numbers that were said there;
 * - `back()`, called when its line has ended, resolves once it is in the room again: `recovered` if
 *   it goes on where it was, `lost` if it was told that it does not;
 * - `isAway`: for what polls, whether it knows that its line has ended: a cut between two polls is
 *   none;
 * - `close()`.
 */

import assert from "node:assert/strict";
import {
  HttpTransportType, HubConnectionBuilder, HubConnectionState, LogLevel,
} from "@microsoft/signalr";
import { EventSource } from "eventsource";
import { io } from "socket.io-client";
import SockJS from "sockjs-client";
import WebSocket from "ws";

import { SUBPROTOCOL } from "../clients/envelope.mjs";
import { Inbox } from "../wait.mjs";

/** Every kind, and whether it recovers from a cut. */
export const RETURNING = [
  ["Socket.IO, polling", true, (...at) => new SocketIo(["polling"], ...at)],
  ["Socket.IO, WebSocket", true, (...at) => new SocketIo(["websocket"], ...at)],
  ["SignalR, stateful", true, (...at) => new SignalR("WebSockets", ...at)],
  ["SignalR, event stream", false, (...at) => new SignalR("ServerSentEvents", ...at)],
  ["SignalR, long polling", false, (...at) => new SignalR("LongPolling", ...at)],
  ["EventSource", true, (...at) => new Events(...at)],
  ["long poll", true, (...at) => new LongPoll(...at)],
  ["envelopes, WebSocket", true, (...at) => new EnvelopeSocket(...at)],
  ["envelopes, SockJS over WebSocket", true, (...at) => new SockJs("websocket", ...at)],
  ["envelopes, SockJS streaming", true, (...at) => new SockJs("xhr-streaming", ...at)],
  ["envelopes, SockJS polling", true, (...at) => new SockJs("xhr-polling", ...at)],
];

class Returning {
  heard = new Inbox();
  /** What it learned when it came in: `new` at first. */
  words = new Inbox();

  constructor(base, room) {
    this.base = base;
    this.room = room;
  }

  async start() {
    this.open();
    assert.equal(await this.words.next("the room"), "new");
  }

  get isAway() {
    return true;
  }

  back() {
    return this.words.next("the way back");
  }

  /** The arguments of `said`. */
  said([room, , number]) {
    assert.equal(room, this.room);
    this.heard.push(number);
  }
}

class SocketIo extends Returning {
  #socket;
  #transports;

  constructor(transports, ...at) {
    super(...at);
    this.#transports = transports;
  }

  open() {
    const options = { forceNew: true, transports: this.#transports, reconnectionDelay: 20 };
    const socket = io(`${this.base}/kept`, options);
    let [id, anew] = [undefined, "new"];
    socket.on("connect", () => {
      if (socket.recovered) return this.words.push(socket.id === id ? "recovered" : socket.id);
      const word = anew;
      [id, anew] = [socket.id, "lost"];
      socket.emitWithAck("join", this.room).then(() => this.words.push(word));
    });
    socket.on("said", (...args) => this.said(args));
    this.#socket = socket;
  }

  get isAway() {
    return !this.#socket.connected;
  }

  close() {
    this.#socket.disconnect();
  }
}

class SignalR extends Returning {
  #hub;
  #id;
  #transport;

  constructor(transport, ...at) {
    super(...at);
    this.#transport = HttpTransportType[transport];
  }

  async open() {
    this.#hub = new HubConnectionBuilder()
      .withUrl(`${this.base}/lasting/kept`, { transport: this.#transport })
      .configureLogging(LogLevel.None)
      .withStatefulReconnect()
      .withAutomaticReconnect(Array(20).fill(20))
      .build();
    this.#hub.on("said", (...args) => this.said(args));
    this.#hub.onreconnected(() => this.#join("lost"));
    await this.#hub.start();
    this.#id = this.#hub.connectionId;
    await this.#join("new");
  }

  async #join(word) {
    await this.#hub.invoke("join", this.room);
    this.words.push(word);
  }

  /**
   * A stateful reconnect happens unseen: then this call is answered by the connection that there
   * was. If there is another one, `onreconnected` says so.
   */
  async back() {
    const answered = this.#hub.invoke("leave", "another room");
    answered.then(() => {
      if (this.#hub.connectionId === this.#id) this.words.push("recovered");
    }, () => {});
    return super.back();
  }

  get isAway() {
    const unseen = this.#transport === HttpTransportType.WebSockets;
    return unseen || this.#hub.state !== HubConnectionState.Connected;
  }

  close() {
    return this.#hub.stop();
  }
}

/** What brings its room's name when it opens. */
class Events extends Returning {
  #source;

  open() {
    const query = new URLSearchParams({ room: this.room });
    this.#source = new EventSource(`${this.base}/sse/kept?${query}`);
    this.#source.addEventListener("said", ({ data }) => this.said(JSON.parse(data)));
    this.#source.addEventListener("omniwire", ({ data }) => {
      const { resume } = JSON.parse(data);
      if (resume) this.words.push(resume);
    });
  }

  close() {
    this.#source.close();
  }
}

class LongPoll extends Returning {
  isAway = false;
  #stop = new AbortController();

  open() {
    this.#run(new URLSearchParams({ room: this.room })).catch(() => {});
  }

  async #run(query) {
    for (;;) {
      const envelopes = await this.#poll(query).catch(() => {});
      if (envelopes === undefined) {
        this.#stop.signal.throwIfAborted();
        this.isAway = true;
        continue;
      }
      const told = envelopes.find(({ resume }) => resume)?.resume;
      // Its session is there still, and says nothing of it.
      if (told || this.isAway) this.words.push(told ?? "recovered");
      this.isAway = false;
      for (const { event, args, cursor } of envelopes) {
        if (event === "said") this.said(args);
        if (cursor) query = new URLSearchParams({ cursor });
      }
    }
  }

  async #poll(query) {
    const { signal } = this.#stop;
    const answer = await fetch(`${this.base}/poll/kept?${query}`, { signal });
    assert.equal(answer.status, 200);
    return answer.json();
  }

  close() {
    this.#stop.abort();
  }
}

/** What says itself that it joins, and where it stood. */
class Envelopes extends Returning {
  isAway = false;
  #stood;
  #over = false;

  receive(text) {
    const { open, resume, event, args, room, offset, epoch } = JSON.parse(text);
    if (open) this.send(JSON.stringify({ join: this.room, resume: this.#stood }));
    if (resume) this.words.push(resume);
    if (event === "said") this.said(args);
    if (room === this.room && epoch !== undefined) this.#stood = { offset, epoch };
  }

  ended() {
    this.isAway = true;
    if (!this.#over) this.open();
  }

  close() {
    this.#over = true;
    this.line.close();
  }
}

class EnvelopeSocket extends Envelopes {
  open() {
    this.line = new WebSocket(`${this.base}/ws/kept`, SUBPROTOCOL);
    this.line.on("message", (data) => this.receive(data.toString()));
    this.line.on("error", () => {});
    this.line.on("close", () => this.ended());
  }

  send(text) {
    this.line.send(text);
  }
}

class SockJs extends Envelopes {
  #transport;

  constructor(transport, ...at) {
    super(...at);
    this.#transport = transport;
  }

  open() {
    this.line = new SockJS(`${this.base}/sockjs/kept`, null, { transports: this.#transport });
    this.line.onmessage = ({ data }) => this.receive(data);
    this.line.onclose = () => this.ended();
  }

  send(text) {
    this.line.send(text);
  }
}
