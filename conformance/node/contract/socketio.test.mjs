/** `omniwire conformance --suite socketio`, by contracts/socketio.md, with socket.io-client. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { io } from "socket.io-client";

import { within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const server = suite("socketio");
const { fact } = server;
const TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]];

// Entering

for (const transports of TRANSPORTS) {
  fact(`over ${transports.join(", then ")}: connects, echoes text and bytes, leaves`, async () => {
    const socket = await entered("/", { transports });
    const { engine } = socket.io;
    const last = transports.at(-1);
    if (engine.transport.name !== last) await within(once(engine, "upgrade"), "the upgrade");
    assert.equal(await ask(socket, "transport"), last);
    const args = ["text", { nested: [1, Buffer.from([1, 2])] }, Buffer.from("abc"), null];
    assert.deepEqual(await answered(socket, "echo-back", "echo", ...args), args);
    socket.disconnect();
  });
}

fact("welcome comes first and says who one is", async () => {
  const socket = await entered("/", { auth: { name: "ada" } });
  const { id, nsp, auth, recovered } = socket.welcome;
  assert.deepEqual({ id, nsp, auth, recovered }, {
    id: socket.id,
    nsp: "/",
    auth: { name: "ada" },
    recovered: false,
  });
  socket.disconnect();
});

fact("welcome without auth has an empty one", async () => {
  const socket = await entered("/chat");
  assert.deepEqual(socket.welcome.auth, {});
  assert.equal(socket.welcome.nsp, "/chat");
  socket.disconnect();
});

fact("two namespaces share one connection", async () => {
  const main = await entered("/");
  const second = main.io.socket("/chat");
  assert.equal((await next(second, "welcome"))[0].nsp, "/chat");
  assert.notEqual(second.id, main.id);
  second.disconnect();
  assert.deepEqual(await ask(main, "echo-ack", 1), 1);
  main.disconnect();
});

fact("a dynamic namespace lets in", async () => {
  const socket = await entered("/dyn-101");
  assert.equal(socket.welcome.nsp, "/dyn-101");
  socket.disconnect();
});

fact("an unknown namespace is refused with `Invalid namespace`", async () => {
  assert.equal((await refused("/nowhere")).message, "Invalid namespace");
  assert.equal((await refused("/dyn-abc")).message, "Invalid namespace");
});

fact("a middleware refuses with message and data", async () => {
  const error = await refused("/auth");
  assert.equal(error.message, "not authorized");
  assert.deepEqual(error.data, { code: 401, hint: "token" });
});

fact("a middleware may take its time, then lets in", async () => {
  const socket = await entered("/auth", { auth: { token: "secret", slow: 50 } });
  assert.equal(socket.welcome.nsp, "/auth");
  socket.disconnect();
});

// Events and acknowledgements

fact("echo-ack gives its arguments back", async () => {
  const socket = await entered();
  const args = [1, "two", [3], { four: Buffer.from([4]) }, null];
  const answer = await new Promise((resolve) => {
    socket.emit("echo-ack", ...args, (...answer) => resolve(answer));
  });
  assert.deepEqual(answer, args);
  socket.disconnect();
});

fact("acknowledgements that overtake each other keep apart", async () => {
  const socket = await entered();
  const numbers = Array.from({ length: 100 }, (_, index) => index);
  const answers = await Promise.all(numbers.map((number) => ask(socket, "echo-ack", number)));
  assert.deepEqual(answers, numbers);
  socket.disconnect();
});

fact("ask: the server asks, and hears the client's answer", async () => {
  const socket = await entered();
  socket.on("question", (...args) => args.at(-1)("answer to", ...args.slice(0, -1)));
  assert.deepEqual(await answered(socket, "answered", "ask", "why", 1), ["answer to", "why", 1]);
  socket.disconnect();
});

fact("ask-timeout: an answer in time, and none", async () => {
  const socket = await entered();
  let silent = false;
  socket.on("question", (value, answer) => silent || answer(value));
  const result = () => answered(socket, "ask-result", "ask-timeout", 200, "x");
  assert.deepEqual(await result(), [{ ok: true, args: ["x"] }]);
  silent = true;
  assert.deepEqual(await result(), [{ ok: false, args: [] }]);
  socket.disconnect();
});

fact("bin-info finds bytes depth first", async () => {
  const socket = await entered();
  const [first, second, third] = [Buffer.of(1), Buffer.of(2, 3), Buffer.alloc(0)];
  const info = await ask(socket, "bin-info", first, { a: [second, { b: third }] }, "no");
  assert.deepEqual(info, { count: 3, hex: ["01", "0203", ""] });
  socket.disconnect();
});

fact("make-bin sends bytes in their places", async () => {
  const socket = await entered();
  const { list, nested } = await ask(socket, "make-bin", 3);
  assert.deepEqual(list.map((bytes) => [...bytes]), [[0], [1], [2]]);
  assert.deepEqual([...nested.deep.blob], [0xde, 0xad, 0xbe, 0xef]);
  assert.equal(nested.deep.text, "t");
  socket.disconnect();
});

fact("burst keeps its order", async () => {
  const socket = await entered();
  const numbers = [];
  socket.on("b", (number, text) => numbers.push([number, text.length]));
  assert.equal(await ask(socket, "burst", 300, 1_000), 300);
  // The acknowledgement comes after all of them.
  assert.deepEqual(numbers, Array.from({ length: 300 }, (_, index) => [index, 1_000]));
  socket.disconnect();
});

fact("volatile reaches a socket that is ready", async () => {
  const socket = await entered();
  assert.deepEqual(await answered(socket, "news", "volatile", "news", 1), [1]);
  socket.disconnect();
});

// Rooms

fact("join and leave answer the socket's rooms, sorted", async () => {
  const socket = await entered();
  assert.deepEqual(await ask(socket, "join", ["b", "a"]), ["a", "b"]);
  assert.deepEqual(await ask(socket, "join", "c"), ["a", "b", "c"]);
  assert.deepEqual(await ask(socket, "leave", ["a", "c"]), ["b"]);
  socket.disconnect();
});

fact("to reaches the room but not the sender", async () => {
  await withSockets(3, async ([sender, member, other]) => {
    await ask(sender, "join", "room-to");
    await ask(member, "join", "room-to");
    const heard = [sender, member, other].map((socket) => all(socket, "news"));
    await ask(sender, "to", "room-to", "news", 1, Buffer.of(2));
    await settled([sender, member, other]);
    assert.deepEqual(heard, [[], [[1, Buffer.of(2)]], []]);
  });
});

fact("in reaches the room with its sender, and all when no room is named", async () => {
  await withSockets(3, async ([sender, member, other]) => {
    await ask(sender, "join", "room-in");
    await ask(member, "join", "room-in");
    const heard = [sender, member, other].map((socket) => all(socket, "news"));
    await ask(sender, "in", ["room-in", "room-of-nobody"], "news", "room");
    await ask(sender, "in", [], "news", "all");
    await settled([sender, member, other]);
    assert.deepEqual(heard, [[["room"], ["all"]], [["room"], ["all"]], [["all"]]]);
  });
});

fact("a socket in two of the rooms gets one copy", async () => {
  await withSockets(2, async ([sender, member]) => {
    await ask(member, "join", ["room-x", "room-y"]);
    const heard = all(member, "news");
    await ask(sender, "in", ["room-x", "room-y"], "news", 1);
    await settled([member]);
    assert.deepEqual(heard, [[1]]);
  });
});

fact("except leaves a room out", async () => {
  await withSockets(3, async ([sender, member, other]) => {
    await ask(member, "join", ["room-e", "not-these"]);
    await ask(other, "join", ["room-e"]);
    const heard = [member, other].map((socket) => all(socket, "news"));
    await ask(sender, "except", "room-e", "not-these", "news", 1);
    await settled([member, other]);
    assert.deepEqual(heard, [[], [[1]]]);
  });
});

fact("broadcast reaches the namespace but not the sender, nor another namespace", async () => {
  await withSockets(2, async ([sender, other]) => {
    const elsewhere = await entered("/chat");
    const heard = [sender, other, elsewhere].map((socket) => all(socket, "news"));
    await ask(sender, "broadcast", "news", 1);
    await settled([sender, other, elsewhere]);
    assert.deepEqual(heard, [[], [[1]], []]);
    elsewhere.disconnect();
  });
});

fact("broadcast-ack gathers the answers", async () => {
  await withSockets(3, async ([sender, first, second]) => {
    for (const [socket, answer] of [[first, 1], [second, 2]]) {
      await ask(socket, "join", "room-ack");
      socket.on("question", (...args) => args.at(-1)(answer));
    }
    const { timedOut, responses } = await ask(sender, "broadcast-ack", "room-ack", 500, "question");
    assert.equal(timedOut, false);
    assert.deepEqual(responses.toSorted(), [1, 2]);
  });
});

fact("broadcast-ack tells that an answer did not come", async () => {
  await withSockets(2, async ([sender, mute]) => {
    await ask(mute, "join", "room-mute");
    const answer = await ask(sender, "broadcast-ack", "room-mute", 200, "question");
    assert.deepEqual(answer, { timedOut: true, responses: [] });
  });
});

fact("data is kept with the socket, and fetch finds it", async () => {
  await withSockets(2, async ([socket, other]) => {
    await ask(socket, "set-data", { name: "ada" });
    await ask(socket, "join", "room-fetch");
    const { data, rooms } = await ask(socket, "get-data");
    assert.deepEqual({ data, rooms }, { data: { name: "ada" }, rooms: ["room-fetch"] });
    const found = await ask(other, "fetch", "room-fetch");
    assert.equal(found.length, 1);
    assert.equal(found[0].id, socket.id);
    assert.deepEqual(found[0].data, { name: "ada" });
    assert.deepEqual(found[0].rooms, ["room-fetch"]);
  });
});

fact("sockets-join and sockets-leave move other sockets", async () => {
  await withSockets(2, async ([mover, moved]) => {
    await ask(moved, "join", "room-from");
    await ask(mover, "sockets-join", "room-from", "room-into");
    assert.deepEqual((await ask(moved, "get-data")).rooms, ["room-from", "room-into"]);
    await ask(mover, "sockets-leave", "room-from", "room-into");
    assert.deepEqual((await ask(moved, "get-data")).rooms, ["room-from"]);
  });
});

fact("handshake tells query, auth and headers", async () => {
  const socket = await entered("/", { query: { a: "b" }, auth: { c: 1 } });
  const { query, auth, headers, secure } = await ask(socket, "handshake");
  assert.equal(query.a, "b");
  assert.equal(query.EIO, "4");
  assert.deepEqual(auth, { c: 1 });
  assert.equal(typeof headers.host, "string");
  assert.equal(secure, false);
  socket.disconnect();
});

// Ends: what the one who goes is told, and what those in `watch` are told

for (const [what, leave, told, reason] of [
  ["the client leaves", (socket) => socket.disconnect(), "io client disconnect",
    "client namespace disconnect"],
  ["the server puts it out", (socket) => socket.emit("bye", false), "io server disconnect",
    "server namespace disconnect"],
  ["the server puts out its connection", (socket) => socket.emit("bye", true),
    "io server disconnect", "server namespace disconnect"],
  ["the server closes the transport", (socket) => socket.emit("kick-transport"),
    "transport close", "forced close"],
  ["the client drops the connection", (socket) => socket.io.engine.transport.ws.terminate(),
    "transport close", "transport close"],
  ["the client sends no Socket.IO packet", (socket) => socket.io.engine.write("9broken"),
    "transport close", "forced close"],
  ["the client sends no Engine.IO packet", (socket) => socket.io.engine.transport.ws.send("x"),
    "transport close", "parse error"],
]) {
  fact(`${what}: told \`${told}\`, others \`${reason}\` with the rooms`, async () => {
    await withSockets(2, async ([watcher, goer]) => {
      await ask(watcher, "join", "watch");
      await ask(goer, "join", "somewhere");
      const { id } = goer;
      const [gone, ended] = [next(watcher, "gone"), next(goer, "disconnect")];
      leave(goer);
      assert.equal((await ended)[0], told);
      const [goneId, goneReason, rooms] = await gone;
      assert.deepEqual([goneId, goneReason], [id, reason]);
      assert.ok(rooms.includes("somewhere"), `${rooms}`);
    });
  });
}

fact("disconnect-sockets puts others out", async () => {
  await withSockets(2, async ([sender, other]) => {
    await ask(other, "join", "room-out");
    const ended = next(other, "disconnect");
    await ask(sender, "disconnect-sockets", "room-out", false);
    assert.equal((await ended)[0], "io server disconnect");
  });
});

// Below Socket.IO

fact("outside its path there is nothing", async () => {
  for (const path of ["/", "/socket.io.js", "/nowhere"]) {
    assert.equal((await fetch(server.http(path))).status, 404, path);
  }
});

fact("protocol 3 is refused with code 5 unless it is asked for", async () => {
  const response = await fetch(server.http("/socket.io/?EIO=3&transport=polling"));
  assert.equal(response.status, 400);
  assert.deepEqual(await response.json(), { code: 5, message: "Unsupported protocol version" });
});

fact("the open packet has the default settings", async () => {
  const response = await fetch(server.http("/socket.io/?EIO=4&transport=polling"));
  const { sid, ...settings } = JSON.parse((await response.text()).slice(1));
  assert.equal(typeof sid, "string");
  assert.deepEqual(settings, {
    upgrades: ["websocket"],
    pingInterval: 25_000,
    pingTimeout: 20_000,
    maxPayload: 1_000_000,
  });
});

/** A socket in a namespace whose `welcome` has come. */
async function entered(namespace = "/", options = {}) {
  const url = new URL(namespace, server.http("/")).href;
  const defaults = { forceNew: true, reconnection: false, transports: ["websocket"] };
  const socket = io(url, { ...defaults, ...options });
  const first = new Promise((resolve) => {
    socket.onAny((event, ...args) => resolve([event, ...args]));
  });
  const failed = once(socket, "connect_error").then(([error]) => Promise.reject(error));
  // Once the welcome is there, an error has another reader or none.
  failed.catch(() => {});
  const [event, welcome] = await within(Promise.race([first, failed]), `welcome in ${namespace}`);
  assert.equal(event, "welcome");
  socket.welcome = welcome;
  return socket;
}

async function refused(namespace) {
  const url = new URL(namespace, server.http("/")).href;
  const socket = io(url, { forceNew: true, reconnection: false, transports: ["websocket"] });
  const [error] = await within(once(socket, "connect_error"), "the refusal");
  socket.disconnect();
  return error;
}

async function withSockets(count, body) {
  const sockets = [];
  try {
    while (sockets.length < count) sockets.push(await entered());
    await body(sockets);
  } finally {
    for (const socket of sockets) socket.disconnect();
  }
}

/** Emits and gives the first argument of the acknowledgement. */
function ask(socket, event, ...args) {
  return within(socket.emitWithAck(event, ...args), `the acknowledgement of ${event}`);
}

/** Emits and gives the arguments of the event that answers. */
async function answered(socket, answer, event, ...args) {
  const arrived = next(socket, answer);
  socket.emit(event, ...args);
  return arrived;
}

function next(socket, event) {
  return within(new Promise((resolve) => socket.once(event, (...args) => resolve(args))), event);
}

/** A list that grows by the arguments of each such event. */
function all(socket, event) {
  const heard = [];
  socket.on(event, (...args) => heard.push(args));
  return heard;
}

/** What was sent to these sockets before has come once they have an answer to this. */
function settled(sockets) {
  return Promise.all(sockets.map((socket) => ask(socket, "echo-ack", "settled")));
}
