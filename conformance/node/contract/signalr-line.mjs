/** SignalR by hand: one WebSocket, and records as they are on the wire. */

import assert from "node:assert/strict";
import { decode, encode } from "@msgpack/msgpack";
import WebSocket from "ws";

import { Inbox, within } from "../wait.mjs";

export const SEPARATOR = "\u001e";

/** How a connection ends that the client may take up again by itself. */
export const CLOSED_WITH_ERROR = {
  type: 7, error: "Connection closed with an error.", allowReconnect: true,
};

export class Line {
  #socket;
  #inbox = new Inbox();
  #binary;
  #shaken;

  /** Not open yet, and without a handshake, or `shaken` before. `all`: pings are heard too. */
  constructor(url, { protocol = "json", all = true, shaken = false } = {}) {
    this.#binary = protocol === "messagepack";
    this.#shaken = shaken;
    this.#socket = new WebSocket(url);
    this.#socket.on("message", (data) => {
      for (const record of this.#records(data)) {
        if (all || record.type !== 6) this.#inbox.push(record);
      }
    });
    this.opened = new Promise((resolve, reject) => {
      this.#socket.on("open", resolve);
      this.#socket.on("error", reject);
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => this.#socket.on("close", resolve));
  }

  /** Open, but without a handshake. */
  static async bare(url, options) {
    const line = new Line(url, options);
    await within(line.opened, "the WebSocket");
    return line;
  }

  /** One that has shaken hands. */
  static async open(url, options) {
    const line = await Line.bare(url, options);
    await line.shakeHands();
    return line;
  }

  async shakeHands(version = 1) {
    const protocol = this.#binary ? "messagepack" : "json";
    this.send(JSON.stringify({ protocol, version }) + SEPARATOR);
    assert.deepEqual(await this.next("the handshake"), {});
  }

  /** Records in one WebSocket message: objects in JSON, arrays in MessagePack. */
  say(...records) {
    this.send(this.#binary ? Buffer.concat(records.map(packed)) : records.map(text).join(""));
  }

  /** What goes on the wire. */
  send(data) {
    this.#socket.send(data);
  }

  call(invocationId, target, ...args) {
    this.say(
      this.#binary
        ? [1, {}, invocationId, target, args]
        : { type: 1, invocationId, target, arguments: args },
    );
  }

  /** What came of a call: `{ result }` or `{ error }`. */
  async answer(invocationId) {
    const is = ({ type, invocationId: id }) => type === 3 && id === invocationId;
    return this.next(`the answer to ${invocationId}`, is);
  }

  next(what, fits) {
    return this.#inbox.next(what, fits);
  }

  drain() {
    return this.#inbox.drain();
  }

  /** All that was said has been heard: the answer to a WebSocket ping says so. */
  sent() {
    this.#socket.ping();
    return within(new Promise((resolve) => this.#socket.once("pong", resolve)), "the pong");
  }

  /** Ends without a word. */
  drop() {
    this.#socket.terminate();
  }

  close() {
    this.#socket.close(1000);
  }

  #records(data) {
    if (this.#shaken) return this.#binary ? unpacked(data) : parsed(data);
    // The answer to the handshake is JSON in any protocol.
    this.#shaken = true;
    const end = data.indexOf(SEPARATOR) + 1;
    return [...parsed(data.subarray(0, end)), ...this.#records(data.subarray(end))];
  }
}

const parsed = (data) =>
  data.toString().split(SEPARATOR).filter(Boolean).map((record) => JSON.parse(record));

const text = (record) => JSON.stringify(record) + SEPARATOR;

/** A MessagePack record with its length in front, 7 bits an octet. */
export function packed(record) {
  const body = record instanceof Uint8Array ? record : encode(record);
  const prefix = [];
  for (let len = body.length; prefix.length === 0 || len > 0; len >>>= 7) {
    prefix.push((len & 0x7f) | (len > 0x7f ? 0x80 : 0));
  }
  return Buffer.concat([Buffer.from(prefix), body]);
}

/** MessagePack records, spelled as JSON ones. */
function unpacked(data) {
  const records = [];
  for (let at = 0; at < data.length;) {
    let [len, shift] = [0, 0];
    for (;; at += 1, shift += 7) {
      len |= (data[at] & 0x7f) << shift;
      if (data[at] < 0x80) break;
    }
    at += 1;
    records.push(named(decode(data.subarray(at, at + len))));
    at += len;
  }
  return records;
}

function named([type, ...rest]) {
  const [headers, invocationId, third, fourth] = rest;
  switch (type) {
    case 1: return { type, invocationId, target: third, arguments: fourth };
    case 2: return { type, invocationId, item: third };
    case 3: {
      const outcomes = [{ error: fourth }, {}, { result: fourth }];
      return { type, invocationId, ...outcomes[third - 1] };
    }
    case 7: return { type, error: rest[0] ?? undefined, allowReconnect: rest[1] };
    case 8: case 9: return { type, sequenceId: rest[0] };
    default: return { type, headers };
  }
}
