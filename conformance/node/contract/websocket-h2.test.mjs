/** WebSockets over HTTP/2 with prior knowledge: `--suite websocket` by extended CONNECT. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import WebSocket from "ws";

import { Http2Connection } from "../h2.mjs";
import { closeFrame, frame, OPCODE } from "../raw.mjs";
import { within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const server = suite("websocket");
let opened;
/** The one connection of all these tests. */
const connect = () => (opened ??= Http2Connection.open(server.address));
after(async () => (await opened)?.close());

test("SETTINGS_ENABLE_CONNECT_PROTOCOL is on (RFC 8441, 3)", async () => {
  const connection = await connect();
  assert.equal(connection.settings.enableConnectProtocol, true);
});

for (const path of ["/", "/echo", "/echo-plain", "/echo-shared", "/small"]) {
  test(`${path} echoes text and binary messages over HTTP/2`, async () => {
    const { status, socket } = await (await connect()).handshake(path);
    assert.equal(status, 200);
    for (const [opcode, payload] of [
      [OPCODE.text, "ä 漢 😀"],
      [OPCODE.text, ""],
      [OPCODE.binary, Buffer.alloc(200_000, 7)],
    ]) {
      socket.write(frame(opcode, payload));
      const echo = await socket.frames.next();
      assert.equal(echo.opcode, opcode);
      assert.deepEqual(echo.payload, Buffer.from(payload));
    }
    socket.write(closeFrame(1000, "done"));
    const close = await socket.frames.next("the Close", ({ opcode }) => opcode === OPCODE.close);
    assert.equal(close.payload.readUInt16BE(), 1000);
    await socket.closed();
  });
}

test("many WebSockets share a connection, each with its own messages", async () => {
  const connection = await connect();
  const sockets = await Promise.all(
    Array.from({ length: 20 }, () => connection.handshake("/echo-plain")),
  );
  sockets.forEach(({ socket }, index) => socket.write(frame(OPCODE.text, `for ${index}`)));
  for (const [index, { socket }] of sockets.entries()) {
    assert.equal((await socket.frames.next()).payload.toString(), `for ${index}`);
    socket.write(closeFrame(1000));
  }
});

test("/broadcast reaches WebSockets over HTTP/1.1 and HTTP/2 alike", async () => {
  const { socket } = await (await connect()).handshake("/broadcast");
  const other = new WebSocket(server.ws("/broadcast"));
  await within(once(other, "open"), "the other to open");
  const heard = once(other, "message");
  socket.write(frame(OPCODE.text, "to all"));
  assert.equal((await socket.frames.next()).payload.toString(), "to all");
  assert.equal((await within(heard, "the broadcast"))[0].toString(), "to all");
  other.terminate();
  socket.write(closeFrame(1000));
});

test("/chat answers with the server's first choice", async () => {
  const headers = { "sec-websocket-protocol": "superchat, chat" };
  const { headers: answer } = await (await connect()).handshake("/chat", headers);
  assert.equal(answer["sec-websocket-protocol"], "chat");
});

test("permessage-deflate is accepted", async () => {
  const headers = { "sec-websocket-extensions": "permessage-deflate" };
  const { headers: answer } = await (await connect()).handshake("/echo", headers);
  assert.match(answer["sec-websocket-extensions"], /^permessage-deflate/);
});

test("/close closes at once with 3000 `Go away!`", async () => {
  const { socket } = await (await connect()).handshake("/close");
  const { opcode, payload } = await socket.frames.next();
  assert.equal(opcode, OPCODE.close);
  assert.deepEqual([payload.readUInt16BE(), payload.toString("utf8", 2)], [3000, "Go away!"]);
});

for (const [what, path, bytes, code] of [
  ["an unmasked frame", "/echo", frame(OPCODE.text, "x", { masked: false }), 1002],
  ["a message over the limit", "/small", frame(OPCODE.binary, Buffer.alloc(1_048_577)), 1009],
  ["text that is not UTF-8", "/echo", frame(OPCODE.text, Buffer.of(0xff)), 1007],
]) {
  test(`${what} is closed with ${code}, and the connection lives on`, async () => {
    const { socket } = await (await connect()).handshake(path);
    socket.write(bytes);
    const close = await socket.frames.next("the Close", ({ opcode }) => opcode === OPCODE.close);
    assert.equal(close.payload.readUInt16BE(), code);
    assert.equal((await (await connect()).request({ ":path": "/stats" })).status, 200);
  });
}

for (const [what, path, headers, status] of [
  ["an unknown path is 404", "/nowhere", {}, 404],
  ["another Origin is 403", "/origin", { origin: "http://other.example" }, 403],
  ["no token is 401", "/auth", {}, 401],
  ["version 8 is 426", "/echo", { "sec-websocket-version": "8" }, 426],
  ["another :protocol is 501 (RFC 9220, 3)", "/echo", { ":protocol": "connect-udp" }, 501],
]) {
  test(`${what}`, async () => {
    assert.equal((await (await connect()).handshake(path, headers)).status, status);
  });
}

test("an ordinary GET of a WebSocket path is refused, and of none is 404", async () => {
  const { status } = await (await connect()).request({ ":path": "/echo" });
  assert.ok([400, 426].includes(status), `${status}`);
  assert.equal((await (await connect()).request({ ":path": "/nowhere" })).status, 404);
});
