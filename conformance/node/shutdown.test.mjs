/** SIGTERM while clients of every protocol are there: each is told, and the server ends with 0. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as passed } from "node:timers/promises";
import { EventSource } from "eventsource";
import { HubConnectionBuilder, LogLevel } from "@microsoft/signalr";
import { io } from "socket.io-client";
import SockJS from "sockjs-client";
import WebSocket from "ws";

import { KINDS, VARIANTS } from "./clients.mjs";
import { Gate } from "./gate.mjs";
import { Http2Connection } from "./h2.mjs";
import { OPCODE } from "./raw.mjs";
import { startDemo } from "./server.mjs";
import { Inbox, within } from "./wait.mjs";

test("with clients of every kind the server ends within its time and with 0", async () => {
  const server = await startDemo();
  const clients = [...KINDS, ...VARIANTS].map(({ client }) => client());
  for (const client of clients) await client.connect(server.url);
  await server.stop();
  await Promise.allSettled(clients.map((client) => client.close()));
});

test("a WebSocket is closed with 1001", async () => {
  const server = await startDemo();
  const socket = new WebSocket(`${server.ws}/ws/chat`);
  await within(once(socket, "open"), "the WebSocket");
  const closed = once(socket, "close");
  await server.stop();
  assert.equal((await within(closed, "the close"))[0], 1001);
});

test("a WebSocket over HTTP/2 is closed with 1001", async () => {
  const server = await startDemo();
  const { hostname: host, port } = new URL(server.url);
  const connection = await Http2Connection.open({ host, port });
  const { socket } = await connection.handshake("/ws/chat");
  await socket.frames.next();
  const stopped = server.stop();
  const close = await socket.frames.next("the Close", ({ opcode }) => opcode === OPCODE.close);
  assert.equal(close.payload.readUInt16BE(), 1001);
  connection.close();
  await stopped;
});

for (const transport of ["websocket", "xhr-streaming", "eventsource", "xhr-polling"]) {
  test(`SockJS by ${transport} is closed with 1001`, async () => {
    const server = await startDemo();
    const line = new SockJS(`${server.url}/sockjs/chat`, null, { transports: [transport] });
    const closed = new Promise((resolve) => {
      line.onclose = resolve;
    });
    await within(new Promise((resolve) => { line.onmessage = resolve; }), "the first message");
    await server.stop();
    const { code, wasClean } = await within(closed, "the close");
    assert.deepEqual({ code, wasClean }, { code: 1001, wasClean: true });
  });
}

for (const transport of ["websocket", "polling"]) {
  test(`Socket.IO by ${transport} hears that it is disconnected`, async () => {
    const server = await startDemo();
    const options = { transports: [transport], reconnection: false };
    const client = io(`${server.url}/chat`, options);
    await within(new Promise((resolve) => { client.on("connect", resolve); }), "connect");
    const gone = new Promise((resolve) => { client.on("disconnect", resolve); });
    await server.stop();
    assert.ok(await within(gone, "disconnect"));
    client.close();
  });
}

test("Socket.IO hears it when it has ended its polls and has not moved to the WebSocket", async (t) => {
  const server = await startDemo();
  let gate;
  let client;
  t.after(() => {
    client.close();
    return gate.close();
  });
  for (;;) {
    gate = await Gate.start(server.address);
    // The client waits for the end of its poll before it moves.
    let probed = false;
    gate.overhear = (bytes) => { probed ||= bytes.includes("3probe"); };
    gate.holdAnswers(() => probed);
    client = io(`${gate.url}/chat`, { reconnection: false });
    const moved = new Promise((resolve) => { client.io.engine.once("upgrade", resolve); });
    const ends = gate.waiting.next("the end of the last poll").then(() => true);
    if (await Promise.race([ends, moved.then(() => false)])) break;
    // It was between two polls when its probe was answered.
    ends.catch(() => {});
    client.close();
    await gate.close();
  }
  const gone = new Promise((resolve) => { client.on("disconnect", resolve); });
  const stopped = server.stop();
  // By then a server that does not wait for it has closed what it wants to move to.
  await Promise.race([gate.ended, passed(100)]);
  gate.release();
  // Its ping would be late after 45 s.
  assert.ok(await within(gone, "disconnect"));
  await stopped;
});

test("an event stream ends with the envelope `close`, and whole", async () => {
  const server = await startDemo();
  const response = await fetch(`${server.url}/sse/chat`);
  const text = response.text();
  await server.stop();
  assert.match(await within(text, "the end of the stream"), /"close":\{"code":1001/);
});

test("a poll that waits ends with the envelope `close`", async () => {
  const server = await startDemo();
  const poll = async (query = "") =>
    (await fetch(`${server.url}/poll/chat${query}`)).json();
  let { cursor } = (await poll()).at(-1);
  let polls;
  for (;;) {
    polls = [poll(`?cursor=${cursor}`), poll(`?cursor=${cursor}`)];
    // Nothing but the same cursor ends the older of two: then the newer is surely with the server.
    const first = await Promise.race(polls);
    if (first.length === 1) break;
    // What is said on entering comes before, to both.
    cursor = (await Promise.all(polls))[1].at(-1).cursor;
  }
  await server.stop();
  const envelopes = (await within(Promise.all(polls), "the last answer")).flat();
  assert.equal(envelopes.find(({ close }) => close).close.code, 1001);
});

test("connections that asked nothing, or half a question, do not hold the server", async () => {
  const server = await startDemo();
  const { hostname: host, port } = new URL(server.url);
  const silent = connect(port, host);
  const half = connect(port, host);
  await Promise.all([once(silent, "connect"), once(half, "connect")]);
  // A reset is as good an end as any.
  for (const socket of [silent, half]) socket.on("error", () => {});
  half.write("POST /send/chat HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n[");
  await server.stop();
  silent.destroy();
  half.destroy();
});

test("sessions end at the pace that is set", async () => {
  const server = await startDemo(["--drain-rate", "10"]);
  const sockets = Array.from({ length: 10 }, () => new WebSocket(`${server.ws}/ws/chat`));
  await Promise.all(sockets.map((socket) => within(once(socket, "open"), "a WebSocket")));
  const ends = sockets.map(async (socket) => {
    const [code] = await within(once(socket, "close"), "the close");
    assert.equal(code, 1001);
  });
  const began = performance.now();
  await server.stop();
  await Promise.all(ends);
  // The last is told nine tenths of a second after the first.
  const took = performance.now() - began;
  assert.ok(took > 900, `${took} ms`);
});

test("while it drains nobody new is taken, and a second SIGTERM hurries", async () => {
  const server = await startDemo(["--drain-delay-ms", "600000"]);
  const socket = new WebSocket(`${server.ws}/ws/chat`, "omniwire.json.v1");
  await within(once(socket, "open"), "the WebSocket");
  server.terminate();
  let response;
  do response = await fetch(`${server.url}/poll/chat`); while (response.ok);
  assert.equal(response.status, 503);
  assert.ok(response.headers.get("retry-after"));
  const answered = new Promise((resolve) => {
    socket.on("message", (data) => {
      const { reply } = JSON.parse(data);
      if (reply === 1) resolve();
    });
  });
  socket.send(JSON.stringify({ event: "ping", args: [1], id: 1 }));
  await within(answered, "the answer to one who is still there");
  const closed = once(socket, "close");
  await server.stop();
  assert.equal((await within(closed, "the close"))[0], 1001);
});

test("clients that come back by themselves do, and find the next server", async (t) => {
  const first = await startDemo();
  const { port } = new URL(first.url);
  const welcomes = new Inbox();
  const socketio = io(`${first.url}/chat`, { reconnectionDelay: 100, randomizationFactor: 0 });
  t.after(() => socketio.close());
  socketio.on("hello", () => welcomes.push("Socket.IO"));
  const upgraded = once(socketio.io.engine, "upgrade");
  const signalr = new HubConnectionBuilder()
    .withUrl(`${first.url}/signalr/chat`)
    .configureLogging(LogLevel.None)
    .withAutomaticReconnect([100, 500, 1000, 2000, 4000])
    .build();
  signalr.on("hello", () => welcomes.push("SignalR"));
  await signalr.start();
  t.after(() => signalr.stop());
  const source = new EventSource(`${first.url}/sse/chat`);
  t.after(() => source.close());
  source.addEventListener("hello", () => welcomes.push("EventSource"));
  const everybody = ["EventSource", "SignalR", "Socket.IO"];
  assert.deepEqual((await welcomes.take(3)).sort(), everybody);
  // engine.io-client, whose WebSocket ends while it pauses its polls for it, polls no more: it
  // learns of the end when no ping comes.
  await within(upgraded, "the upgrade");
  await first.stop();
  const second = await startDemo([], port);
  t.after(() => second.stop());
  assert.deepEqual((await welcomes.take(3)).sort(), everybody);
});
