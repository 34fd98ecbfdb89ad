/** A WebSocket connection by hand, which can break every rule. */

import { connect } from "node:net";
import { randomBytes } from "node:crypto";
import { once } from "node:events";

import { Inbox, within } from "./wait.mjs";

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

const HANDSHAKE = {
  Host: "localhost",
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** A handshake; a header set to `null` is left out. */
export function handshake(path, headers = {}, method = "GET") {
  const lines = Object.entries({ ...HANDSHAKE, ...headers })
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
}

/** A client's frame; the options break it. */
export function frame(opcode, payload = "", { fin = true, masked = true, reserved = 0 } = {}) {
  const data = Buffer.from(payload);
  const head = Buffer.alloc(2 + (data.length < 126 ? 0 : data.length < 65_536 ? 2 : 8));
  head[0] = (fin ? 0x80 : 0) | reserved | opcode;
  if (head.length === 2) {
    head[1] = data.length;
  } else if (head.length === 4) {
    head[1] = 126;
    head.writeUInt16BE(data.length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(data.length), 2);
  }
  if (!masked) return Buffer.concat([head, data]);
  head[1] |= 0x80;
  const key = randomBytes(4);
  return Buffer.concat([head, key, data.map((byte, index) => byte ^ key[index & 3])]);
}

export function closeFrame(code, reason = "") {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code);
  payload.write(reason, 2);
  return frame(OPCODE.close, payload);
}

export class RawConnection {
  /** Frames of the server: `{ fin, opcode, payload }`. */
  frames = new Inbox();
  #socket;
  #received = Buffer.alloc(0);
  #head;
  #ended;

  constructor({ host, port }) {
    this.#socket = connect(port, host);
    // A server that closes while we still write resets the connection; the frames tell why.
    this.#socket.on("error", () => {});
    this.#ended = once(this.#socket, "close");
    this.#head = new Promise((resolve) => {
      this.#socket.on("data", (data) => {
        this.#received = Buffer.concat([this.#received, data]);
        if (!this.head) this.#takeHead(resolve);
        if (this.head?.status === 101) this.#takeFrames();
      });
    });
  }

  /** Opens a WebSocket. */
  static async open(address, path, headers) {
    const connection = new RawConnection(address);
    connection.write(handshake(path, headers));
    const { status } = await connection.answer();
    if (status !== 101) throw new Error(`${path}: ${status}`);
    return connection;
  }

  write(bytes) {
    this.#socket.write(bytes);
  }

  /** The head of the server's answer: `{ status, headers }`. */
  answer() {
    return within(this.#head, "the answer to the handshake");
  }

  /** The code and reason of the server's next Close frame. */
  async closed() {
    const isClose = ({ opcode }) => opcode === OPCODE.close;
    const { payload } = await this.frames.next("a Close frame", isClose);
    if (payload.length === 0) return { code: 1005, reason: "" };
    return { code: payload.readUInt16BE(), reason: payload.subarray(2).toString() };
  }

  /** Resolves once the server has ended the TCP connection. */
  ended(limitMs) {
    return within(this.#ended, "the end of the connection", limitMs);
  }

  destroy() {
    this.#socket.destroy();
  }

  #takeHead(resolve) {
    const end = this.#received.indexOf("\r\n\r\n");
    if (end < 0) return;
    const [first, ...lines] = this.#received.subarray(0, end).toString("latin1").split("\r\n");
    this.#received = this.#received.subarray(end + 4);
    const headers = lines.map((line) => [
      line.slice(0, line.indexOf(":")).toLowerCase(),
      line.slice(line.indexOf(":") + 1).trim(),
    ]);
    this.head = { status: Number(first.split(" ")[1]), headers: Object.fromEntries(headers) };
    resolve(this.head);
  }

  #takeFrames() {
    const { frames, rest } = decodeFrames(this.#received);
    this.#received = rest;
    for (const frame of frames) this.frames.push(frame);
  }
}

/** The whole frames that the bytes begin with, and what follows them. */
export function decodeFrames(bytes) {
  const frames = [];
  let rest = bytes;
  for (;;) {
    const taken = takeFrame(rest);
    if (!taken) return { frames, rest };
    frames.push(taken.frame);
    rest = taken.rest;
  }
}

/** The first frame of the bytes and what follows it, if it is there whole. */
function takeFrame(bytes) {
  if (bytes.length < 2) return undefined;
  const short = bytes[1] & 0x7f;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < start) return undefined;
  let length = short;
  if (short === 126) length = bytes.readUInt16BE(2);
  if (short === 127) length = Number(bytes.readBigUInt64BE(2));
  if (bytes.length < start + length) return undefined;
  const frame = {
    fin: (bytes[0] & 0x80) !== 0,
    opcode: bytes[0] & 0x0f,
    masked: (bytes[1] & 0x80) !== 0,
    payload: bytes.subarray(start, start + length),
  };
  return { frame, rest: bytes.subarray(start + length) };
}
