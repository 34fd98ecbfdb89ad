/**
 * `omniwire conformance --suite socketio-client`: what the own suite of npm's socket.io-client asks
 * of a server, written anew for those who have no copy of it (`--from DIR` runs the original).
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { io } from "socket.io-client";

import { within } from "../wait.mjs";
import { ask, next } from "./socketio-sockets.mjs";
import { suite } from "./suite.mjs";

const server = suite("socketio-client");
const { fact } = server;

/** Runs `body` with a socket of its own manager. */
async function withSocket(options, body, namespace = "/") {
  const socket = io(server.http(namespace), { forceNew: true, ...options });
  try {
    return await body(socket);
  } finally {
    // With all other namespaces of the connection.
    socket.io.reconnection(false);
    socket.disconnect();
    socket.io.engine?.close();
  }
}

/** The argument of the next `event`, after something was emitted. (Behind it stands the offset.) */
async function answer(socket, event, ...said) {
  const heard = next(socket, event);
  socket.emit(...said);
  return (await heard)[0];
}

const connected = (socket) => within(once(socket, "connect"), "the connection");
const failure = (socket) => within(once(socket, "connect_error"), "the refusal").then(([e]) => e);

// Connecting

for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
  fact(`connects over ${transports.join(", then ")}, and speaks before it is connected`, () =>
    withSocket({ transports }, async (socket) => {
      await answer(socket, "hi", "hi");
      assert.equal(socket.connected, true);
    }));
}

fact("two sockets of one manager share a connection, and have ids of their own", () =>
  withSocket({}, async (socket) => {
    const other = socket.io.socket("/foo");
    await Promise.all([connected(socket), connected(other)]);
    assert.equal(await ask(other, "getId"), other.id);
    assert.equal(await ask(socket, "getId"), socket.id);
    assert.notEqual(socket.id, other.id);
    other.disconnect();
    assert.equal(await ask(socket, "echo", "still here"), "still here");
  }));

fact("a namespace may be entered while others wait, and again after it was left", () =>
  withSocket({}, async (socket) => {
    const others = ["/timeout_socket", "/valid", "/asd"].map((name) => socket.io.socket(name));
    await Promise.all([socket, ...others].map(connected));
    const [again] = others;
    const { id } = again;
    again.disconnect();
    again.connect();
    await connected(again);
    assert.notEqual(again.id, id);
  }));

fact("a manager that is opened late, by hand", () =>
  withSocket({ autoConnect: false }, async (socket) => {
    assert.equal(socket.connected, false);
    await connected(socket.connect());
    assert.equal(await ask(socket, "echo", 1), 1);
  }));

fact("a namespace that is not there is refused, and those that are go on", () =>
  withSocket({}, async (socket) => {
    const invalid = socket.io.socket("/invalid");
    assert.equal((await failure(invalid)).message, "Invalid namespace");
    assert.equal(invalid.connected, false);
    assert.equal(await ask(socket, "echo", 1), 1);
  }));

fact("middleware of another namespace refuses, and the client does not try again", () =>
  withSocket({ reconnectionDelay: 10 }, async (socket) => {
    let attempts = 0;
    socket.io.on("reconnect_attempt", () => (attempts += 1));
    assert.equal((await failure(socket)).message, "Auth failed (custom namespace)");
    // Longer than the client would wait: its own clock says so, by another round trip.
    const other = socket.io.socket("/foo");
    await connected(other);
    await ask(other, "getId");
    assert.equal(attempts, 0);
    other.disconnect();
  }, "/no"));

fact("middleware of the main namespace reads the query", () =>
  withSocket({ query: { fail: true } }, async (socket) => {
    assert.equal((await failure(socket)).message, "Auth failed (main namespace)");
  }));

for (const transports of [["polling"], ["websocket"]]) {
  fact(`${transports}: a time-out that comes before the server's answer`, () =>
    withSocket({ transports, timeout: 0, reconnection: false }, async (socket) => {
      assert.equal((await failure(socket)).message, "timeout");
    }));
}

// Queries and auth

fact("query: an object, a text, and letters that must be escaped", async () => {
  const handshake = (options, path = "/") =>
    withSocket(options, (socket) => ask(socket, "getHandshake"), path);
  assert.equal((await handshake({ query: { e: "f" } })).query.e, "f");
  assert.equal((await handshake({}, "/?c=d")).query.c, "d");
  const escaped = await handshake({ query: { "&a": "&=?a" } });
  assert.equal(escaped.query["&a"], "&=?a");
  assert.equal(escaped.query.EIO, "4");
});

fact("query and auth reach another namespace, each in its place", async () => {
  const handshake = (options, path) =>
    withSocket(options, async (socket) => (await next(socket, "handshake"))[0], path);
  const { query } = await handshake({ query: { a: "b" } }, "/abc");
  assert.equal(query.a, "b");
  const { query: text } = await handshake({}, "/abc?b=c&d=e");
  assert.deepEqual([text.b, text.d], ["c", "e"]);
  const object = await handshake({ auth: { a: "b", c: "d" } }, "/abc");
  assert.deepEqual([object.auth, object.query.a], [{ a: "b", c: "d" }, undefined]);
  const called = await handshake({ auth: (send) => send({ e: "f" }) }, "/abc");
  assert.deepEqual([called.auth, called.query.e], [{ e: "f" }, undefined]);
});

// Events

fact("events come in the order in which they were emitted, before and after the connection", () =>
  withSocket({ autoConnect: false }, async (socket) => {
    const heard = [];
    const echo = (value) => ask(socket, "echo", value).then((value) => heard.push(value));
    const before = [1, 2, 3].map(echo);
    socket.connect();
    await connected(socket);
    await Promise.all([...before, ...[4, 5].map(echo)]);
    assert.deepEqual(heard, [1, 2, 3, 4, 5]);
  }));

fact("acknowledgements in both directions, with binary in them", () =>
  withSocket({}, async (socket) => {
    socket.on("ack", (done) => done(5, { test: true }));
    await answer(socket, "got it", "ack");
    const bytes = Buffer.from([1, 2, 3]);
    assert.deepEqual(await ask(socket, "echo", { bytes }), { bytes });
  }));

fact("`false` and dates", () =>
  withSocket({}, async (socket) => {
    assert.equal(await answer(socket, "false", "false"), false);
    const isDate = (text) => assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    isDate(await ask(socket, "getAckDate", { test: true }));
    isDate(await answer(socket, "takeDate", "getDate"));
    isDate((await answer(socket, "takeDateObj", "getDateObj")).date);
  }));

for (const transports of [["polling"], ["websocket"]]) {
  fact(`${transports}: letters of every width`, () =>
    withSocket({ transports }, async (socket) => {
      const heard = [];
      const all = new Promise((resolve) => {
        socket.on("takeUtf8", (text) => heard.push(text) === 5 && resolve());
      });
      socket.emit("getUtf8");
      await within(all, "five texts");
      const twice = "utf8 — string";
      assert.deepEqual(heard, ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", twice, twice]);
    }));

  fact(`${transports}: bytes both ways, alone, in objects and in order`, () =>
    withSocket({ transports }, async (socket) => {
      const bytes = Buffer.from("asdfasdf");
      assert.deepEqual(await answer(socket, "doge", "doge"), bytes);
      assert.deepEqual(await answer(socket, "takebin", "getbin"), bytes);
      await answer(socket, "buffack", "buffa", bytes);
      const mixed = { hello: "lol", message: bytes, goodbye: "gotcha" };
      await answer(socket, "jsonbuff-ack", "jsonbuff", mixed);
      socket.emit("abuff1", bytes);
      await answer(socket, "abuff2-ack", "abuff2", "please arrive second");
    }));
}

// Volatile, time-outs, retries

fact("a volatile event leaves once the pipe is ready", () =>
  withSocket({ transports: ["websocket"] }, async (socket) => {
    // Whatever was written before is out once it is answered.
    await ask(socket, "getId");
    await within(new Promise((resolve) => socket.volatile.emit("echo", 1, resolve)), "the echo");
  }));

fact("an acknowledgement in time, and one that never comes", () =>
  withSocket({}, async (socket) => {
    assert.equal(await socket.timeout(10_000).emitWithAck("echo", 42), 42);
    await assert.rejects(socket.timeout(50).emitWithAck("nobody hears this"), /timed out/);
  }));

fact("retried events are acknowledged in order", () =>
  withSocket({ retries: 1, ackTimeout: 10_000 }, async (socket) => {
    const values = [1, 2, 3];
    const heard = [];
    const answers = values.map((value) =>
      socket.emitWithAck("echo", value).then((value) => heard.push(value)));
    await within(Promise.all(answers), "the acknowledgements");
    assert.deepEqual(heard, values);
  }));

// Coming back

fact("a client whose connection is cut comes back by itself, with what it has to say", () =>
  withSocket({ reconnectionDelay: 10 }, async (socket) => {
    await connected(socket);
    socket.io.engine.close();
    assert.equal(await ask(socket, "echo", "after"), "after");
  }));

fact("connection state recovery: a client that has had an event is who it was", () =>
  withSocket({ reconnectionDelay: 10 }, async (socket) => {
    await answer(socket, "hi", "hi");
    const { id } = socket;
    assert.equal(socket.recovered, false);
    socket.io.engine.close();
    await connected(socket);
    assert.deepEqual([socket.recovered, socket.id], [true, id]);
    assert.equal(await ask(socket, "getId"), id);
  }));

fact("a client that leaves by itself and comes back is new", () =>
  withSocket({}, async (socket) => {
    await connected(socket);
    const { id } = socket;
    socket.disconnect().connect();
    await connected(socket);
    assert.deepEqual([socket.recovered, socket.id === id], [false, false]);
  }));
