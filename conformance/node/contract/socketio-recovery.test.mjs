/** Connection state recovery: `SIO_RECOVERY_MS`, `SIO_RECOVERY_SKIP_MW`. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as passed } from "node:timers/promises";
import WebSocket from "ws";

import { Inbox, within } from "../wait.mjs";
import { startSuite } from "../server.mjs";
import { all, ask, entered, next, settled, TRANSPORTS } from "./socketio-sockets.mjs";
import { suite } from "./suite.mjs";

const server = suite("socketio", {
  SIO_RECOVERY_MS: "5000",
  SIO_PING_INTERVAL: "1000",
  SIO_PING_TIMEOUT: "1000",
});
const { fact } = server;

/** A socket that comes back only when told, and what it hears but its offsets. */
async function returning(namespace = "/", options = {}, to = server) {
  const socket = await entered(to, namespace, options);
  socket.heard = [];
  socket.onAny((...event) => socket.heard.push(event));
  return socket;
}

/** Cuts the connection without a word. */
async function cut(socket) {
  const gone = once(socket, "disconnect");
  const { transport } = socket.io.engine;
  if (transport.name === "websocket") transport.ws._socket?.destroy();
  else socket.io.engine.close();
  return within(gone, "the cut");
}

/** Comes back; the welcome that it gets. */
async function back(socket) {
  const welcome = next(socket, "welcome");
  socket.connect();
  return (await welcome)[0];
}

/** A server of its own, until the check is over. */
async function elsewhere(t, environment, flags = []) {
  const own = await startSuite("socketio", environment, 0, flags);
  t.after(() => own.stop());
  return { http: (path) => new URL(path, own.url).href };
}

const SMALL = ["--limit", "outbox_len_max=16384"];

/** Comes to `/auth` with the wrong token. */
async function isRefused(socket) {
  socket.auth = { token: "wrong" };
  const refused = once(socket, "connect_error");
  socket.connect();
  const [error] = await within(refused, "the refusal");
  assert.equal(error.message, "not authorized");
}

/** Waits until the server knows that a socket is gone. */
async function missing(watcher, act) {
  const gone = next(watcher, "gone");
  await act();
  return gone;
}

async function watching(namespace = "/", to = server) {
  const watcher = await entered(to, namespace);
  await ask(watcher, "join", "watch");
  return watcher;
}

for (const [name, transports] of Object.entries(TRANSPORTS)) {
  fact(`${name}: id, rooms, data and what was missed come back, in order`, async () => {
    const watcher = await watching();
    const socket = await returning("/", { transports });
    const { id } = socket;
    assert.equal(socket.recovered, false);
    assert.equal(socket.welcome.recovered, false);
    await ask(socket, "join", ["a", "b"]);
    await ask(socket, "set-data", { name: "x" });
    await ask(watcher, "to", "a", "seen", 1);
    await settled(socket);
    await missing(watcher, () => cut(socket));
    socket.heard.length = 0;
    await ask(watcher, "to", ["a", "b"], "missed", 1);
    await ask(watcher, "to", "c", "missed", "not mine");
    await ask(watcher, "in", [id], "missed", 2, Buffer.from([3]));
    await ask(watcher, "except", null, ["a"], "missed", "not for a");
    await ask(watcher, "broadcast", "missed", 3);
    const welcome = await back(socket);
    assert.deepEqual([socket.recovered, welcome.recovered], [true, true]);
    assert.deepEqual([socket.id, welcome.id], [id, id]);
    await settled(socket);
    const events = socket.heard.map(([event, ...args]) => [event, ...args.slice(0, -1)]);
    assert.deepEqual(events.slice(0, 3), [
      ["missed", 1],
      ["missed", 2, Buffer.from([3])],
      ["missed", 3],
    ]);
    assert.equal(events[3][0], "welcome");
    assert.ok(socket.heard.every((event) => typeof event.at(-1) === "string"), "offsets");
    const { data, rooms } = await ask(socket, "get-data");
    assert.deepEqual([data, rooms], [{ name: "x" }, ["a", "b"]]);
    await ask(watcher, "to", "b", "live", 4);
    await settled(socket);
    assert.deepEqual(socket.heard.at(-1).slice(0, 2), ["live", 4]);
    socket.disconnect();
    watcher.disconnect();
  });
}

fact("one that leaves by itself, or is told to, is new", async () => {
  const socket = await returning();
  const { id } = socket;
  socket.disconnect();
  assert.equal((await back(socket)).recovered, false);
  assert.notEqual(socket.id, id);
  const kicked = once(socket, "disconnect");
  socket.emit("bye", true);
  await within(kicked, "the end");
  assert.equal((await back(socket)).recovered, false);
  socket.disconnect();
});

fact("#4888, #5538: it is recovered though it never heard an event", async () => {
  // The contract's welcome is an event: so by hand.
  const bare = await Bare.open();
  const { pid, sid } = await bare.enter();
  const watcher = await watching();
  await missing(watcher, () => bare.cut());
  await ask(watcher, "broadcast", "missed", 1);
  const again = await Bare.open();
  const answer = await again.enter({ pid });
  assert.deepEqual(answer, { sid, pid });
  assert.match(again.before.join(), /"welcome".*"missed",1/, "all that it never got");
  again.cut();
  watcher.disconnect();
});

fact("#4880: it is recovered many times in a row, also before it is known to be gone", async () => {
  const watcher = await watching();
  const socket = await returning();
  const { id } = socket;
  for (let turn = 0; turn < 5; turn++) {
    await cut(socket);
    await ask(watcher, "broadcast", "missed", turn);
    const { recovered } = await back(socket);
    assert.deepEqual([turn, recovered, socket.id], [turn, true, id]);
    await settled(socket);
  }
  const missed = socket.heard.filter(([event]) => event === "missed").map(([, turn]) => turn);
  assert.deepEqual(missed, [0, 1, 2, 3, 4]);
  socket.disconnect();
  watcher.disconnect();
});

fact("#4880: a client on a new network takes over from its old connection", async () => {
  const watcher = await watching();
  const bare = await Bare.open();
  const { pid, sid } = await bare.enter();
  const [welcome] = await bare.events(1);
  const gone = next(watcher, "gone");
  const again = await Bare.open();
  const answer = await again.enter({ pid, offset: welcome.at(-1) });
  assert.deepEqual(answer, { sid, pid });
  assert.deepEqual((await gone).slice(0, 2), [sid, "transport error"]);
  await within(bare.closed, "the end of the old connection");
  again.cut();
  watcher.disconnect();
});

fact("PR 5539: a volatile event that ends in a text does not break it", async () => {
  const watcher = await watching();
  const socket = await returning();
  await ask(watcher, "broadcast", "before", 1);
  await ask(watcher, "volatile-in", null, "tick", "connected");
  await settled(socket);
  assert.deepEqual(socket.heard.at(-1), ["tick", "connected"], "volatile events have no offset");
  socket.heard.length = 0;
  await missing(watcher, () => cut(socket));
  await ask(watcher, "broadcast", "missed", 2);
  assert.equal((await back(socket)).recovered, true);
  assert.deepEqual(socket.heard.map(([event]) => event), ["missed", "welcome"]);
  socket.disconnect();
  watcher.disconnect();
});

fact("an acknowledged event has no offset, and one that ends in a text does no harm", async () => {
  const watcher = await watching();
  const socket = await returning();
  socket.on("question", (...args) => args.at(-1)("yes"));
  const answered = next(socket, "answered");
  socket.emit("ask", "what?");
  assert.equal((await answered)[0], "yes");
  const asked = socket.heard.find(([event]) => event === "question");
  assert.equal(asked.length, 3, "name, argument, acknowledgement");
  await missing(watcher, () => cut(socket));
  assert.equal((await back(socket)).recovered, true);
  socket.disconnect();
  watcher.disconnect();
});

fact("what can't be told is not guessed: a strange offset, a strange pid", async () => {
  const watcher = await watching();
  for (const auth of [{ pid: "stranger" }, { pid: "stranger", offset: "1" }]) {
    const bare = await Bare.open();
    const { pid } = await bare.enter(auth);
    assert.notEqual(pid, "stranger");
    const { sid } = await missingPid(watcher, bare);
    const again = await Bare.open();
    const answer = await again.enter({ pid, offset: "ffffffff-1" });
    assert.notEqual(answer.sid, sid);
    again.cut();
  }
  watcher.disconnect();
});

async function missingPid(watcher, bare) {
  const [sid] = await missing(watcher, () => bare.cut());
  return { sid };
}

fact("a pid is good in its own namespace only", async () => {
  const bare = await Bare.open();
  const { pid } = await bare.enter();
  const elsewhere = await bare.enter({ pid }, "/chat");
  assert.notEqual(elsewhere.pid, pid);
  bare.cut();
});

fact("a dynamic namespace waits for those who are away", async () => {
  const socket = await returning("/dyn-7");
  const { id } = socket;
  await ask(socket, "join", "a");
  await cut(socket);
  assert.equal((await back(socket)).recovered, true);
  assert.equal(socket.id, id);
  socket.disconnect();
});

fact("the middleware is not asked again", async () => {
  const socket = await returning("/auth", { auth: { token: "secret" } });
  await cut(socket);
  socket.auth = { token: "wrong" };
  assert.equal((await back(socket)).recovered, true);
  socket.disconnect();
});

test("SIO_RECOVERY_SKIP_MW=0: the middleware is asked again, and its no is not the end", async (t) => {
  const to = await elsewhere(t, { SIO_RECOVERY_MS: "5000", SIO_RECOVERY_SKIP_MW: "0" });
  const socket = await returning("/auth", { auth: { token: "secret" } }, to);
  const { id } = socket;
  await ask(socket, "set-data", [1]);
  await cut(socket);
  await isRefused(socket);
  socket.auth = { token: "secret" };
  const welcome = await back(socket);
  assert.deepEqual([welcome.recovered, socket.id], [true, id]);
  assert.deepEqual((await ask(socket, "get-data")).data, [1]);
  socket.disconnect();
});

test("after the window it is new", async (t) => {
  const to = await elsewhere(t, { SIO_RECOVERY_MS: "50" });
  const socket = await returning("/", {}, to);
  await cut(socket);
  await passed(120);
  assert.equal((await back(socket)).recovered, false);
  assert.equal(socket.recovered, false);
  socket.disconnect();
});

test("one that missed more than its outbox holds is told on its connection that it is new", async (t) => {
  const to = await elsewhere(t, { SIO_RECOVERY_MS: "5000" }, SMALL);
  for (const transports of Object.values(TRANSPORTS)) {
    const watcher = await watching("/", to);
    const socket = await returning("/", { transports }, to);
    const { id } = socket;
    await ask(socket, "join", "a");
    await missing(watcher, () => cut(socket));
    socket.heard.length = 0;
    for (let turn = 0; turn < 40; turn++) {
      await ask(watcher, "to", "a", "missed", "x".repeat(512));
    }
    const failures = all(socket, "connect_error");
    const welcome = await back(socket);
    assert.deepEqual([socket.recovered, welcome.recovered], [false, false]);
    assert.notEqual(socket.id, id);
    assert.equal(socket.id, welcome.id);
    assert.deepEqual((await ask(socket, "get-data")).rooms, []);
    assert.deepEqual(socket.heard.map(([event]) => event), ["welcome"]);
    await ask(watcher, "broadcast", "live", 1);
    await settled(socket);
    assert.equal(socket.heard.at(-1)[0], "live");
    // And it can come back as that one.
    const anew = socket.id;
    await missing(watcher, () => cut(socket));
    assert.deepEqual([(await back(socket)).recovered, socket.id], [true, anew]);
    assert.deepEqual(failures, []);
    socket.disconnect();
    watcher.disconnect();
  }
});

test("one that is new because it missed too much passes the middleware as such", async (t) => {
  const to = await elsewhere(t, { SIO_RECOVERY_MS: "5000" }, SMALL);
  const socket = await returning("/auth", { auth: { token: "secret" } }, to);
  const other = await entered(to, "/auth", { auth: { token: "secret" } });
  const { id } = socket;
  await cut(socket);
  for (let turn = 0; turn < 40; turn++) await ask(other, "broadcast", "missed", "x".repeat(512));
  await isRefused(socket);
  socket.auth = { token: "secret" };
  const welcome = await back(socket);
  assert.equal(welcome.recovered, false);
  assert.notEqual(socket.id, id);
  socket.disconnect();
  other.disconnect();
});

/** A Socket.IO client over a bare WebSocket. */
class Bare {
  before = [];
  #packets = new Inbox();

  static async open() {
    const bare = new Bare();
    bare.socket = new WebSocket(server.ws("/socket.io/?EIO=4&transport=websocket"));
    bare.closed = once(bare.socket, "close");
    bare.socket.addEventListener("message", ({ data }) => {
      if (data === "2") bare.socket.send("3");
      else bare.#packets.push(data);
    });
    await once(bare.socket, "open");
    return bare;
  }

  /** Enters a namespace; its answer. What comes before that is kept. */
  async enter(auth, namespace = "") {
    const head = namespace && `${namespace},`;
    this.socket.send(`40${head}${auth === undefined ? "" : JSON.stringify(auth)}`);
    for (;;) {
      const packet = await this.#packets.next("the answer to CONNECT");
      if (packet.startsWith(`40${head}`)) return JSON.parse(packet.slice(2 + head.length));
      if (packet[0] !== "0") this.before.push(packet);
    }
  }

  async events(count) {
    const packets = await this.#packets.take(count);
    return packets.map((packet) => JSON.parse(packet.slice(packet.indexOf("["))));
  }

  cut() {
    this.socket.close();
  }
}
