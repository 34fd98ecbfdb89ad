/** `omniwire conformance --suite socketio` with `SIO_EIO3`, with socket.io-client 2.5 in Node. */

import assert from "node:assert/strict";
import { once } from "node:events";
import io from "socket.io-client-2";

import { within } from "../wait.mjs";
import { next } from "./socketio-sockets.mjs";
import { suite } from "./suite.mjs";

const server = suite("socketio", { SIO_EIO3: "1" });
const { fact } = server;

/** Runs `body` with a socket whose `welcome` has come, upgraded if it may. */
async function withSocket(namespace, options, body) {
  const { transports = ["polling", "websocket"] } = options;
  const own = { forceNew: true, reconnectionDelay: 10, ...options, transports };
  const socket = io(server.http(namespace), own);
  try {
    const welcome = next(socket, "welcome");
    const upgraded = transports.length === 2 && once(socket.io.engine, "upgrade");
    [socket.welcome] = await welcome;
    await within(upgraded, "the upgrade");
    return await body(socket);
  } finally {
    socket.close();
  }
}

const ask = (socket, ...said) =>
  within(new Promise((resolve) => socket.emit(...said, resolve)), `the answer to ${said[0]}`);

for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
  const over = transports.join(", then ");

  fact(`${over}: welcome, echo of texts and bytes, acknowledgements`, () =>
    withSocket("/", { transports }, async (socket) => {
      assert.equal(socket.welcome.id, socket.id);
      assert.equal(await ask(socket, "transport"), transports.at(-1));
      const args = ["Ä😀", 1, null, { deep: [Buffer.from([1, 2, 3])] }, Buffer.from("end")];
      const back = next(socket, "echo-back");
      socket.emit("echo", ...args);
      assert.deepEqual(await back, args);
      assert.deepEqual(await ask(socket, "echo-ack", args[3]), args[3]);
    }));

  fact(`${over}: a hundred events keep their order, through an upgrade too`, () => {
    const socket = io(server.http("/"), { forceNew: true, transports });
    const heard = [];
    const all = new Promise((resolve) => {
      socket.on("echo-back", (number) => heard.push(number) === 100 && resolve());
    });
    for (let number = 0; number < 100; number += 1) socket.emit("echo", number);
    return within(all, "a hundred answers")
      .then(() => assert.deepEqual(heard, Array.from({ length: 100 }, (_, index) => index)))
      .finally(() => socket.close());
  });

  fact(`${over}: the server asks, and hears the answer`, () =>
    withSocket("/", { transports }, async (socket) => {
      socket.on("question", (value, answer) => answer(value, Buffer.from([7])));
      const answered = next(socket, "answered");
      socket.emit("ask", "why");
      assert.deepEqual(await answered, ["why", Buffer.from([7])]);
    }));

  fact(`${over}: a connection that is cut is made anew by the client`, () =>
    withSocket("/", { transports }, async (socket) => {
      const { id } = socket;
      const again = next(socket, "welcome");
      socket.emit("kick-transport");
      assert.notEqual((await again)[0].id, id);
    }));
}

fact("a namespace on the same connection, with a query of its own as auth", () =>
  withSocket("/", {}, async (main) => {
    const chat = main.io.socket("/chat", { query: "token=x" });
    const [welcome] = await next(chat, "welcome");
    assert.equal(welcome.nsp, "/chat");
    assert.equal(chat.id, `/chat#${main.id}`);
    assert.deepEqual(welcome.auth, { token: "x" });
    chat.close();
    assert.equal(await ask(main, "echo-ack", 1), 1);
  }));

fact("namespaces on demand, and those that are not there", async () => {
  await withSocket("/dyn-7", {}, (socket) => assert.equal(socket.welcome.nsp, "/dyn-7"));
  const nowhere = io(server.http("/nowhere"), { forceNew: true });
  const [error] = await within(once(nowhere, "error"), "the refusal");
  assert.deepEqual(error, { message: "Invalid namespace" });
  nowhere.close();
});

fact("a refusal's data stands in place of its message", async () => {
  const socket = io(server.http("/auth"), { forceNew: true });
  const [error] = await within(once(socket, "error"), "the refusal");
  assert.deepEqual(error, { code: 401, hint: "token" });
  socket.close();
});

fact("rooms: what others say comes, what one says oneself does not", () =>
  withSocket("/", {}, (ada) => withSocket("/", {}, async (bob) => {
    await Promise.all([ada, bob].map((socket) => ask(socket, "join", "r")));
    const heard = [];
    ada.on("m", (text) => heard.push(text));
    const atBob = next(bob, "m");
    await ask(ada, "to", "r", "m", "hi");
    assert.deepEqual(await atBob, ["hi"]);
    await ask(ada, "echo-ack", "settled");
    assert.deepEqual(heard, []);
  })));

fact("the server lets go: the client hears why, and does not come back", () =>
  withSocket("/", {}, async (socket) => {
    const gone = within(once(socket, "disconnect"), "the end");
    socket.emit("bye");
    assert.deepEqual(await gone, ["io server disconnect"]);
    assert.equal(socket.connected, false);
  }));
