/** HTTP/2 with prior knowledge, and WebSockets over it by extended CONNECT (RFC 8441). */

import { connect } from "node:http2";
import { once } from "node:events";

import { decodeFrames } from "./raw.mjs";
import { Inbox, within } from "./wait.mjs";

export class Http2Connection {
  #session;

  static async open({ host, port }) {
    const connection = new Http2Connection();
    connection.#session = connect(`http://${host}:${port}`);
    const [settings] = await within(once(connection.#session, "remoteSettings"), "SETTINGS");
    connection.settings = settings;
    return connection;
  }

  /** An ordinary request: `{ status, headers, body }`. */
  async request(headers, body) {
    const stream = this.#session.request(headers, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    const [answer] = await within(once(stream, "response"), `${headers[":path"]} to answer`);
    const parts = [];
    for await (const part of stream) parts.push(part);
    return { status: answer[":status"], headers: answer, body: Buffer.concat(parts).toString() };
  }

  /** A handshake; `socket` is there if it succeeded. */
  async handshake(path, headers = {}) {
    const stream = this.#session.request(
      {
        ":method": "CONNECT",
        ":protocol": "websocket",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "sec-websocket-version": "13",
        ...headers,
      },
      { endStream: false },
    );
    const [answer] = await within(once(stream, "response"), `${path} to answer`);
    const status = answer[":status"];
    return { status, headers: answer, socket: status === 200 ? new Socket(stream) : undefined };
  }

  close() {
    this.#session.destroy();
  }
}

/** Frames over one stream. */
class Socket {
  frames = new Inbox();
  #stream;

  constructor(stream) {
    this.#stream = stream;
    stream.on("error", () => {});
    this.ended = once(stream, "close");
    let received = Buffer.alloc(0);
    stream.on("data", (data) => {
      const { frames, rest } = decodeFrames(Buffer.concat([received, data]));
      received = rest;
      for (const frame of frames) this.frames.push(frame);
    });
  }

  write(bytes) {
    this.#stream.write(bytes);
  }

  /** Whether the server ended the stream. */
  closed() {
    return within(this.ended, "the end of the stream");
  }
}
