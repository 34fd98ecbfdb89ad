/** `omniwire conformance --suite websocket`, by contracts/README.md. */

import assert from "node:assert/strict";
import { once } from "node:events";
import WebSocket from "ws";

import { closeFrame, frame, handshake, OPCODE, RawConnection } from "../raw.mjs";
import { Inbox, within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const server = suite("websocket");
const { fact } = server;
const MIB = 1024 * 1024;

// Handshakes

for (const path of ["/", "/echo", "/echo-plain", "/echo-shared", "/small"]) {
  fact(`${path} echoes text and binary messages as they came`, async () => {
    const client = await Client.open(path);
    for (const text of ["hello", "", "ä 漢 😀", "x".repeat(125), "x".repeat(126), "\u0000"]) {
      client.send(text);
      assert.deepEqual(await client.next(), { text });
    }
    for (const length of [0, 1, 125, 126, 65_535, 65_536, 200_000]) {
      const bytes = Buffer.alloc(length, length);
      client.send(bytes);
      assert.deepEqual(await client.next(), { bytes });
    }
    await client.close();
  });
}

fact("the accept key is the RFC's own example (4.2.2)", async () => {
  const connection = await RawConnection.open(server.address, "/echo");
  const { headers } = await connection.answer();
  assert.equal(headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  assert.equal(headers.upgrade.toLowerCase(), "websocket");
  assert.equal(headers.connection.toLowerCase(), "upgrade");
  connection.destroy();
});

fact("/echo accepts permessage-deflate", async () => {
  const client = await Client.open("/echo");
  assert.match(client.extensions, /^permessage-deflate/);
  await client.close();
});

fact("/echo-plain accepts no extension", async () => {
  const client = await Client.open("/echo-plain");
  assert.equal(client.extensions, "");
  await client.close();
});

fact("/echo-shared accepts permessage-deflate without context takeover", async () => {
  const headers = { "Sec-WebSocket-Extensions": "permessage-deflate" };
  const connection = await RawConnection.open(server.address, "/echo-shared", headers);
  const accepted = (await connection.answer()).headers["sec-websocket-extensions"];
  assert.match(accepted, /^permessage-deflate;.*server_no_context_takeover/);
  connection.destroy();
});

for (const [offer, answer] of [
  [["chat", "superchat"], "chat"],
  [["superchat", "chat"], "chat"],
  [["superchat"], "superchat"],
  [["other", "superchat"], "superchat"],
  [["other"], undefined],
  [[], undefined],
]) {
  fact(`/chat answers the offer [${offer}] with ${answer ?? "no subprotocol"}`, async () => {
    const offered = offer.length > 0 ? offer.join(", ") : null;
    const headers = { "Sec-WebSocket-Protocol": offered };
    const connection = await RawConnection.open(server.address, "/chat", headers);
    const answered = await connection.answer();
    assert.equal(answered.headers["sec-websocket-protocol"], answer);
    connection.destroy();
  });
}

for (const [what, path, headers, status] of [
  ["another Origin is refused with 403", "/origin", { Origin: "http://other.example" }, 403],
  ["the allowed Origin is let in", "/origin", { Origin: "http://allowed.example" }, 101],
  ["an absent Origin is let in", "/origin", {}, 101],
  ["no token is refused with 401", "/auth", {}, 401],
  ["a wrong token is refused with 401", "/auth", { Authorization: "Bearer wrong" }, 401],
  ["the token is let in", "/auth", { Authorization: "Bearer secret" }, 101],
  ["an unknown path is 404", "/nowhere", {}, 404],
  ["no key is 400", "/echo", { "Sec-WebSocket-Key": null }, 400],
  ["a key that is not 16 bytes is 400", "/echo", { "Sec-WebSocket-Key": "YWJj" }, 400],
  ["version 8 is 426", "/echo", { "Sec-WebSocket-Version": "8" }, 426],
  ["no upgrade is 426", "/echo", { Upgrade: null, Connection: null }, 426],
]) {
  fact(`${path}: ${what}`, async () => {
    const connection = new RawConnection(server.address);
    connection.write(handshake(path, headers));
    assert.equal((await connection.answer()).status, status);
    connection.destroy();
  });
}

fact("a refused version is told the right one (4.4)", async () => {
  const connection = new RawConnection(server.address);
  connection.write(handshake("/echo", { "Sec-WebSocket-Version": "8" }));
  assert.equal((await connection.answer()).headers["sec-websocket-version"], "13");
  connection.destroy();
});

fact("an ordinary GET of a WebSocket path is 426", async () => {
  const response = await fetch(server.http("/echo"));
  assert.equal(response.status, 426);
  assert.equal(response.headers.get("upgrade")?.toLowerCase(), "websocket");
});

fact("an ordinary GET elsewhere is 404", async () => {
  assert.equal((await fetch(server.http("/nowhere"))).status, 404);
});

fact("POST to a WebSocket path is 405", async () => {
  assert.equal((await fetch(server.http("/echo"), { method: "POST" })).status, 405);
});

fact("/stats is JSON of numbers, among them the open connections", async () => {
  const client = await Client.open("/echo");
  const response = await fetch(server.http("/stats"));
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^application\/json/);
  const stats = await response.json();
  const numbers = Object.values(stats).filter((value) => typeof value === "number");
  assert.ok(numbers.length >= 6, JSON.stringify(stats));
  await client.close();
});

// Messages

fact("/broadcast gives each message to every connection, the sender too", async () => {
  const clients = await Promise.all([1, 2, 3].map(() => Client.open("/broadcast")));
  clients[0].send("to all");
  for (const client of clients) assert.deepEqual(await client.next(), { text: "to all" });
  clients[2].send(Buffer.from([1, 2]));
  for (const client of clients) {
    assert.deepEqual(await client.next(), { bytes: Buffer.from([1, 2]) });
  }
  await Promise.all(clients.map((client) => client.close()));
});

fact("/close closes at once with 3000 `Go away!`", async () => {
  const socket = new WebSocket(server.ws("/close"));
  const [code, reason] = await within(once(socket, "close"), "the close");
  assert.deepEqual([code, reason.toString()], [3000, "Go away!"]);
});

fact("/small takes a message of exactly 1 MiB", async () => {
  const client = await Client.open("/small");
  const bytes = Buffer.alloc(MIB, 7);
  client.send(bytes);
  assert.ok((await client.next()).bytes.equals(bytes));
  await client.close();
});

fact("/echo takes a message of 16 MiB", async () => {
  const client = await Client.open("/echo");
  const bytes = Buffer.alloc(16 * MIB, 7);
  client.send(bytes);
  assert.ok((await client.next()).bytes.equals(bytes));
  await client.close();
});

fact("/echo takes a message of 70,000 fragments", async () => {
  const connection = await RawConnection.open(server.address, "/echo-plain");
  const part = (opcode, fin) => frame(opcode, "x", { fin });
  const middle = Array.from({ length: 69_998 }, () => part(OPCODE.continuation, false));
  const [first, last] = [part(OPCODE.text, false), part(OPCODE.continuation, true)];
  connection.write(Buffer.concat([first, ...middle, last]));
  const echoed = [];
  do echoed.push(await connection.frames.next("the echo")); while (!echoed.at(-1).fin);
  assert.deepEqual(echoed.map(({ opcode }) => opcode === OPCODE.close), echoed.map(() => false));
  assert.equal(Buffer.concat(echoed.map(({ payload }) => payload)).toString(), "x".repeat(70_000));
  connection.destroy();
});

fact("a frame that comes with the handshake, and one byte by byte, are read", async () => {
  const connection = new RawConnection(server.address);
  const hello = frame(OPCODE.text, "hello");
  connection.write(Buffer.concat([handshake("/echo"), hello]));
  assert.equal((await connection.frames.next()).payload.toString(), "hello");
  for (const byte of hello) connection.write(Buffer.of(byte));
  assert.equal((await connection.frames.next()).payload.toString(), "hello");
  connection.destroy();
});

fact("frames of the server are not masked (5.1)", async () => {
  const connection = await RawConnection.open(server.address, "/echo");
  connection.write(frame(OPCODE.text, "hello"));
  assert.equal((await connection.frames.next()).masked, false);
  connection.destroy();
});

fact("a ping between fragments is answered with its payload (5.4, 5.5.2)", async () => {
  const connection = await RawConnection.open(server.address, "/echo");
  connection.write(frame(OPCODE.text, "a", { fin: false }));
  connection.write(frame(OPCODE.ping, "are you there"));
  const pong = await connection.frames.next();
  assert.deepEqual([pong.opcode, pong.payload.toString()], [OPCODE.pong, "are you there"]);
  connection.write(frame(OPCODE.continuation, "b"));
  assert.equal((await connection.frames.next()).payload.toString(), "ab");
  connection.destroy();
});

// Ends

fact("a Close is answered with its code, and the connection ended (5.5.1, 7.1.1)", async () => {
  const connection = await RawConnection.open(server.address, "/echo");
  connection.write(closeFrame(1000, "done"));
  assert.equal((await connection.closed()).code, 1000);
  await connection.ended();
});

fact("a Close without a code is answered", async () => {
  const connection = await RawConnection.open(server.address, "/echo");
  connection.write(frame(OPCODE.close));
  assert.ok([1000, 1005].includes((await connection.closed()).code));
  await connection.ended();
});

for (const [what, path, bytes, code] of [
  ["an unmasked frame (5.1)", "/echo", frame(OPCODE.text, "x", { masked: false }), 1002],
  ["a reserved bit (5.2)", "/echo-plain", frame(OPCODE.text, "x", { reserved: 0x40 }), 1002],
  ["a reserved opcode (5.2)", "/echo", frame(3, "x"), 1002],
  ["a reserved control opcode (5.2)", "/echo", frame(11, "x"), 1002],
  ["a fragmented ping (5.5)", "/echo", frame(OPCODE.ping, "x", { fin: false }), 1002],
  ["a ping of 126 bytes (5.5)", "/echo", frame(OPCODE.ping, "x".repeat(126)), 1002],
  ["a continuation of nothing (5.4)", "/echo", frame(OPCODE.continuation, "x"), 1002],
  ["a Close with code 1005 (7.4.1)", "/echo", closeFrame(1005), 1002],
  ["a Close with code 999 (7.4.2)", "/echo", closeFrame(999), 1002],
  ["a Close of one byte (5.5.1)", "/echo", frame(OPCODE.close, "x"), 1002],
  ["text that is not UTF-8 (8.1)", "/echo", frame(OPCODE.text, Buffer.of(0xff)), 1007],
  ["a surrogate in UTF-8 (8.1)", "/echo", frame(OPCODE.text, Buffer.of(0xed, 0xa0, 0x80)), 1007],
  ["a message over the limit", "/small", frame(OPCODE.binary, Buffer.alloc(MIB + 1)), 1009],
]) {
  fact(`${what} is closed with ${code}`, async () => {
    const connection = await RawConnection.open(server.address, path);
    connection.write(bytes);
    assert.equal((await connection.closed()).code, code);
    connection.destroy();
  });
}

fact("fragments that together pass the limit are closed with 1009", async () => {
  const connection = await RawConnection.open(server.address, "/small");
  const part = Buffer.alloc(MIB / 2 + 1);
  connection.write(frame(OPCODE.binary, part, { fin: false }));
  connection.write(frame(OPCODE.continuation, part));
  assert.equal((await connection.closed()).code, 1009);
  connection.destroy();
});

fact("a new message inside a fragmented one is closed with 1002 (5.4)", async () => {
  const connection = await RawConnection.open(server.address, "/echo");
  connection.write(frame(OPCODE.text, "a", { fin: false }));
  connection.write(frame(OPCODE.text, "b"));
  assert.equal((await connection.closed()).code, 1002);
  connection.destroy();
});

/** A client of npm ws that keeps what arrives. */
class Client {
  #socket;
  #arrived = new Inbox();

  static async open(path) {
    const client = new Client();
    client.#socket = new WebSocket(server.ws(path), { maxPayload: 64 * MIB });
    client.#socket.on("message", (data, isBinary) => {
      client.#arrived.push(isBinary ? { bytes: data } : { text: data.toString() });
    });
    await within(once(client.#socket, "open"), `${path} to open`);
    return client;
  }

  get extensions() {
    return this.#socket.extensions;
  }

  send(message) {
    this.#socket.send(message);
  }

  next() {
    return this.#arrived.next("the echo");
  }

  async close() {
    const closed = once(this.#socket, "close");
    this.#socket.close(1000);
    assert.equal((await within(closed, "the answer to our Close"))[0], 1000);
  }
}
