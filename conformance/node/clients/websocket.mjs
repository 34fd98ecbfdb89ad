/** The bare WebSocket, in both manners. */

import { once } from "node:events";
import WebSocket from "ws";

import { Calls, SUBPROTOCOL } from "./envelope.mjs";
import { Member } from "./member.mjs";

/** Two-way text lines that carry one envelope a message: a WebSocket, and SockJS. */
export class EnvelopeLine extends Member {
  calls = new Calls();

  /** Sends one text message. */
  send(_text) {
    throw new Error("each line sends in its own way");
  }

  receive(text) {
    const envelope = JSON.parse(text);
    if (envelope.event !== undefined) this.heard(envelope.event, envelope.args ?? []);
    else if (envelope.reply !== undefined) this.calls.settle(envelope);
    else if (envelope.open) this.opened = envelope.open;
  }

  call(name, ...args) {
    return this.#call(name, ...args.map((arg) => JSON.stringify(arg)));
  }

  sayJson(json) {
    return this.#call("say", json);
  }

  #call(name, ...args) {
    const { envelope, reply } = this.calls.begin(name, ...args);
    this.send(envelope);
    return reply;
  }
}

export class EnvelopeSocket extends EnvelopeLine {
  #socket;

  async open(base) {
    this.#socket = new WebSocket(new URL("/ws/chat", base), SUBPROTOCOL);
    this.#socket.on("message", (data) => this.receive(data.toString()));
    this.#socket.on("close", (code) => this.calls.abandon(new Error(`closed with ${code}`)));
    await once(this.#socket, "open");
  }

  send(text) {
    this.#socket.send(text);
  }

  close() {
    return closed(this.#socket);
  }
}

/** Frames are payloads alone: what is sent is said, and no call has a reply. */
export class RawSocket extends Member {
  canCall = false;
  // A WebSocket's text is UTF-8, which has no such thing.
  canSendLoneSurrogate = false;
  #socket;

  async open(base) {
    this.#socket = new WebSocket(new URL("/ws/chat", base));
    this.#socket.on("message", (data) => {
      const payload = JSON.parse(data.toString());
      const event = eventOf(payload);
      // A single argument comes as itself, several as an array.
      this.heard(event, event === "members" ? [payload] : payload);
    });
    await once(this.#socket, "open");
  }

  say(text) {
    return new Promise((resolve, reject) => {
      this.#socket.send(text, (error) => (error ? reject(error) : resolve()));
    });
  }

  sayJson(json) {
    return this.say(JSON.parse(json));
  }

  close() {
    return closed(this.#socket);
  }
}

/** Names are not sent to raw peers; the chat's events differ in their second argument. */
function eventOf([, second]) {
  if (typeof second === "string") return "said";
  return Array.isArray(second) ? "hello" : "members";
}

async function closed(socket) {
  if (socket.readyState === WebSocket.CLOSED) return;
  const ended = once(socket, "close");
  socket.close();
  await ended;
}
