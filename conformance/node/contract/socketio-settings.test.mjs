/** The settings of contracts/socketio.md, the limits, and the reasons why sockets end. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import WebSocket from "ws";

import { BINARY } from "../server.mjs";
import { Inbox, within } from "../wait.mjs";
import {
  ask, entered, next, Polling, refused, TRANSPORTS, withSockets,
} from "./socketio-sockets.mjs";
import { suite } from "./suite.mjs";

const APP = "http://app.example";
const plain = suite("socketio");
const fast = suite("socketio", { SIO_PING_INTERVAL: "300", SIO_PING_TIMEOUT: "1000" });
// Without a heartbeat that a busy machine would miss.
const limited = suite("socketio", { SIO_MAX_PAYLOAD: "1000", SIO_UPGRADE_TIMEOUT: "300" });
const hasty = suite("socketio", { SIO_CONNECT_TIMEOUT: "500" });
const dressed = suite("socketio", {
  SIO_PATH: "/custom/path.io/",
  SIO_COOKIE: "io",
  SIO_CORS: APP,
});
const pollingOnly = suite("socketio", { SIO_TRANSPORTS: "polling" });
const webSocketOnly = suite("socketio", { SIO_TRANSPORTS: "websocket" });
const { fact } = plain;

// Namespaces and the middleware

for (const [name, transports] of Object.entries(TRANSPORTS)) {
  fact(`${name}: namespaces, the middleware, and who is none`, async () => {
    for (const namespace of ["/", "/chat", "/dyn-7"]) {
      const socket = await entered(plain, namespace, { transports, auth: { a: 1 } });
      assert.deepEqual(socket.welcome, {
        id: socket.id, nsp: namespace, auth: { a: 1 }, recovered: false,
      });
      socket.disconnect();
    }
    for (const namespace of ["/nowhere", "/dyn-", "/dyn-1x", "/dyn-1/2"]) {
      const error = await refused(plain, namespace, { transports });
      assert.equal(error.message, "Invalid namespace");
    }
    const error = await refused(plain, "/auth", { transports, auth: { token: "wrong" } });
    assert.equal(error.message, "not authorized");
    assert.deepEqual(error.data, { code: 401, hint: "token" });
  });
}

fact("who waits in the middleware is no peer yet, and who leaves there is no ghost", async () => {
  const auth = { token: "secret" };
  const inside = await entered(plain, "/auth", { auth });
  const goer = await openSocket(plain);
  goer.send('40/auth,{"token":"secret","slow":1500}');
  assert.equal((await ask(inside, "fetch", null)).length, 1);
  goer.send("41/auth,");
  const slower = await entered(plain, "/auth", { auth: { ...auth, slow: 2_000 } });
  const present = (await ask(inside, "fetch", null)).map(({ id }) => id);
  assert.deepEqual(present.toSorted(), [inside.id, slower.id].toSorted());
  for (const socket of [inside, slower]) socket.disconnect();
  goer.close();
});

fact("sockets of one dynamic namespace meet, those of another do not", async () => {
  const [one, same, other] = [
    await entered(plain, "/dyn-1"), await entered(plain, "/dyn-1"), await entered(plain, "/dyn-2"),
  ];
  assert.equal((await ask(one, "fetch", null)).length, 2);
  const heard = next(same, "news");
  await ask(one, "broadcast", "news", 1);
  assert.deepEqual(await heard, [1]);
  assert.equal((await ask(other, "fetch", null)).length, 1);
  for (const socket of [one, same, other]) socket.disconnect();
});

// Ends

fact("a socket that answers no ping ends with `ping timeout`", async () => {
  const watcher = await entered(fast);
  await ask(watcher, "join", "watch");
  const gone = next(watcher, "gone");
  // Stock clients would miss the pings they get too late, and leave first.
  const goer = await openSocket(fast);
  goer.send("40");
  assert.equal((await gone)[1], "ping timeout");
  watcher.disconnect();
});

for (const [what, reason, packet] of [
  ["no Socket.IO packet", "forced close", "4zzz"],
  ["an event for no namespace it is in", "forced close", '42/chat,["x"]'],
  ["no Engine.IO packet", "parse error", "zzz"],
  ["a ping", "transport error", "2"],
  ["Engine.IO's close", "transport close", "1"],
  ["a message over the limit", "transport error", `4${"x".repeat(1_000_001)}`],
]) {
  fact(`a socket that sends ${what} ends with \`${reason}\``, async () => {
    await endsWith(reason, (goer) => goer.io.engine.transport.ws.send(packet));
  });
}

async function endsWith(reason, end) {
  await withSockets(plain, 2, {}, async ([watcher, goer]) => {
    await ask(watcher, "join", "watch");
    const [gone, { id }] = [next(watcher, "gone"), goer];
    end(goer);
    assert.deepEqual(await gone, [id, reason, []]);
  });
}

fact("a client that enters no namespace is closed", async () => {
  const socket = await openSocket(hasty);
  await within(once(socket, "close"), "the end");
  const polling = await Polling.open(hasty);
  assert.deepEqual(await polling.packets(1), ["1"]);
});

// Limits

fact("a body over the limit is 413, one of just the limit passes", async () => {
  const polling = await Polling.open(limited);
  const body = (length) => `40${" ".repeat(length - 2)}`;
  assert.equal((await polling.post(body(1_001))).status, 413);
  await polling.post("40");
  const packet = `42["echo","${"x".repeat(1_000 - 13)}"]`;
  assert.equal(packet.length, 1_000);
  const answer = await polling.post(packet);
  assert.deepEqual([answer.status, await answer.text()], [200, "ok"]);
});

fact("a WebSocket message over the limit ends with 1009", async () => {
  const socket = await openSocket(limited);
  socket.send("4".repeat(1_001));
  const [code] = await within(once(socket, "close"), "the end");
  assert.equal(code, 1009);
});

fact("an upgrade that is not finished is dropped, and polling goes on", async () => {
  const polling = await Polling.open(limited);
  const url = polling.url.replace("http", "ws").replace("transport=polling", "transport=websocket");
  const probe = new WebSocket(url);
  await within(once(probe, "open"), "the WebSocket");
  await polling.post("40");
  await within(once(probe, "close"), "the end of the probe", 5_000);
  assert.match((await polling.packets(1))[0], /^40/);
});

// Dress

fact("the cookie comes with the first polling answer only", async () => {
  const polling = await Polling.open(dressed, "/custom/path.io/");
  const sid = new URL(polling.url).searchParams.get("sid");
  const cookie = polling.opened.headers.get("set-cookie");
  assert.equal(cookie, `io=${sid}; Path=/; HttpOnly; SameSite=Lax`);
  const answer = await polling.post("40");
  assert.equal(answer.headers.get("set-cookie"), null);
  assert.equal((await fetch(polling.url)).headers.get("set-cookie"), null);
});

fact("CORS lets the one origin in, with credentials", async () => {
  const polling = await Polling.open(dressed, "/custom/path.io/", { origin: APP });
  const allowed = (response) => [
    response.headers.get("access-control-allow-origin"),
    response.headers.get("access-control-allow-credentials"),
  ];
  assert.deepEqual(allowed(polling.opened), [APP, "true"]);
  const preflight = await fetch(polling.url, {
    method: "OPTIONS",
    headers: { origin: APP, "access-control-request-method": "POST" },
  });
  assert.equal(preflight.status, 204);
  assert.deepEqual(allowed(preflight), [APP, "true"]);
  const evil = await fetch(polling.url, { headers: { origin: "http://evil.example" } });
  assert.notEqual(allowed(evil)[0], "http://evil.example");
  assert.deepEqual(allowed((await Polling.open(plain)).opened), [null, null]);
});

fact("another path is the only one", async () => {
  const socket = await entered(dressed, "/", { path: "/custom/path.io/" });
  socket.disconnect();
  const elsewhere = await fetch(dressed.http("/socket.io/?EIO=4&transport=polling"));
  assert.equal(elsewhere.status, 404);
});

fact("a transport that is switched off is unknown, and not offered", async () => {
  for (const [server, off, on] of [
    [pollingOnly, "websocket", "polling"], [webSocketOnly, "polling", "websocket"],
  ]) {
    const answer = await fetch(server.http(`/socket.io/?EIO=4&transport=${off}`));
    assert.deepEqual(await answer.json(), { code: 0, message: "Transport unknown" });
    const socket = await entered(server, "/", { transports: [on] });
    socket.disconnect();
  }
  const { opened } = await Polling.open(pollingOnly);
  assert.equal(opened.status, 200);
});

fact("what is not there yet is told in one line, with exit code 2", () => {
  const env = { ...process.env, SIO_REDIS: "redis://here" };
  const args = ["conformance", "--suite", "socketio", "--port", "0"];
  const { status, stderr } = spawnSync(BINARY, args, { env, encoding: "utf8", timeout: 10_000 });
  assert.equal(status, 2);
  assert.match(stderr, /^omniwire: SIO_REDIS [^\n]+\n$/);
});

/** A bare WebSocket whose open packet has come. */
async function openSocket(server) {
  const socket = new WebSocket(server.ws("/socket.io/?EIO=4&transport=websocket"));
  const packets = new Inbox();
  socket.on("message", (data) => packets.push(data.toString()));
  await packets.next("the open packet", (packet) => packet.startsWith("0"));
  return socket;
}
