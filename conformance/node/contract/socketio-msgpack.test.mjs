/** `SIO_PARSER=msgpack`, with npm's socket.io-msgpack-parser. */

import assert from "node:assert/strict";
import { once } from "node:events";
import parser from "socket.io-msgpack-parser";
import WebSocket from "ws";

import { within } from "../wait.mjs";
import { all, ask, entered, next, refused, settled, TRANSPORTS } from "./socketio-sockets.mjs";
import { suite } from "./suite.mjs";

const server = suite("socketio", { SIO_PARSER: "msgpack", SIO_RECOVERY_MS: "5000" });
const { fact } = server;

for (const [name, transports] of Object.entries(TRANSPORTS)) {
  fact(`${name}: whatever goes comes back, also acknowledged`, async () => {
    const socket = await entered(server, "/", { parser, transports });
    const values = [
      1,
      -5,
      2 ** 40,
      1.5,
      "text \u{1f600}",
      null,
      true,
      [[], {}],
      { a: { b: [Buffer.from([1, 2])] } },
      Buffer.alloc(300, 7),
      new Date(1_000_123),
    ];
    const echoed = next(socket, "echo-back");
    socket.emit("echo", ...values);
    // The offset comes behind them.
    assert.deepEqual((await echoed).slice(0, -1), values);
    assert.deepEqual(await ask(socket, "echo-ack", { deep: [Buffer.from("x")] }), {
      deep: [Buffer.from("x")],
    });
    const made = await ask(socket, "make-bin", 12);
    assert.equal(made.list.length, 12, "more than ten");
    assert.deepEqual(made.nested.deep, { blob: Buffer.from("deadbeef", "hex"), text: "t" });
    assert.deepEqual(await ask(socket, "bin-info", Buffer.from([255])), { count: 1, hex: ["ff"] });
    socket.disconnect();
  });
}

fact("undefined is read as nothing, an ArrayBuffer as bytes", async () => {
  const socket = await entered(server, "/", { parser });
  assert.equal(await ask(socket, "echo-ack", undefined), null);
  const { hex } = await ask(socket, "bin-info", Uint8Array.of(1, 2, 3).buffer);
  assert.deepEqual(hex, ["010203"]);
  socket.disconnect();
});

fact("questions, rooms, broadcasts with answers", async () => {
  const one = await entered(server, "/", { parser });
  const two = await entered(server, "/", { parser });
  for (const [index, socket] of [one, two].entries()) {
    socket.on("question", (...args) => args.at(-1)(index, Buffer.from([index])));
    await ask(socket, "join", "room");
  }
  const answers = await ask(one, "broadcast-ack", "room", 1000, "question", "?");
  assert.deepEqual({ ...answers, responses: answers.responses.toSorted() }, {
    timedOut: false,
    responses: [0, 1],
  });
  const heard = all(two, "news");
  await ask(one, "to", "room", "news", Buffer.from("n"));
  await settled(two);
  assert.deepEqual(heard.map(([first]) => first), [Buffer.from("n")]);
  one.disconnect();
  two.disconnect();
});

fact("namespaces, refusals with data, the end of one namespace", async () => {
  const error = await refused(server, "/auth", { parser });
  assert.deepEqual([error.message, error.data], ["not authorized", { code: 401, hint: "token" }]);
  assert.equal((await refused(server, "/nowhere", { parser })).message, "Invalid namespace");
  const socket = await entered(server, "/auth", { parser, auth: { token: "secret" } });
  const gone = once(socket, "disconnect");
  socket.emit("bye");
  assert.equal((await within(gone, "the end"))[0], "io server disconnect");
});

fact("what was missed comes back", async () => {
  const [socket, other] = [
    await entered(server, "/", { parser }),
    await entered(server, "/", { parser }),
  ];
  const { id } = socket;
  const heard = all(socket, "missed");
  const gone = once(socket, "disconnect");
  socket.io.engine.transport.ws._socket.destroy();
  await within(gone, "the cut");
  await ask(other, "broadcast", "missed", Buffer.from([1]));
  const welcome = next(socket, "welcome");
  socket.connect();
  assert.equal((await welcome)[0].recovered, true);
  assert.equal(socket.id, id);
  assert.deepEqual(heard.map(([first]) => first), [Buffer.from([1])]);
  socket.disconnect();
  other.disconnect();
});

fact("what is no packet closes the connection", async () => {
  for (const bad of ["40", Buffer.from([0xc1]), Buffer.from([0x80])]) {
    const socket = new WebSocket(server.ws("/socket.io/?EIO=4&transport=websocket"));
    const closed = once(socket, "close");
    await once(socket, "open");
    socket.send(bad === "40" ? "440" : bad);
    await within(closed, "the close");
  }
});
