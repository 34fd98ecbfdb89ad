/** `SIO_ADMIN=1`: the namespace of Socket.IO's Admin UI, in the words of npm's server. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { io } from "socket.io-client";

import { Inbox, within } from "../wait.mjs";
import { all, ask, entered, settled, TRANSPORTS } from "./socketio-sockets.mjs";
import { suite } from "./suite.mjs";

const server = suite("socketio", { SIO_ADMIN: "1", SIO_NODE: "here" });
const { fact } = server;

/** A socket in `/admin`, and what it is told, to be taken in order. */
async function admin() {
  const socket = io(server.http("/admin"), { forceNew: true, transports: ["websocket"] });
  const told = new Inbox();
  socket.onAny((...event) => told.push(event));
  await within(once(socket, "connect"), "entering /admin");
  const hear = (name, fits = () => true) =>
    told.next(name, ([event, ...args]) => event === name && fits(...args));
  return { socket, hear };
}

const isDate = (text) => !Number.isNaN(Date.parse(text)) && /^\d{4}-.*Z$/.test(text);

fact("one that comes is told what can be done and who is there", async () => {
  const other = await entered(server, "/chat", { query: { a: "1" } });
  await ask(other, "join", "room");
  const { socket, hear } = await admin();
  const [, config] = await hear("config");
  assert.deepEqual(config.supportedFeatures, [
    "EMIT",
    "JOIN",
    "LEAVE",
    "DISCONNECT",
    "MJOIN",
    "MLEAVE",
    "MDISCONNECT",
    "AGGREGATED_EVENTS",
    "ALL_EVENTS",
  ]);
  const [, sockets] = await hear("all_sockets");
  const found = sockets.find(({ id }) => id === other.id);
  assert.deepEqual([found.nsp, found.transport], ["/chat", "websocket"]);
  assert.equal(found.clientId.length, 12);
  assert.deepEqual(found.rooms, [other.id, "room"]);
  assert.equal(found.handshake.query.a, "1");
  assert.equal(found.handshake.auth, undefined);
  other.disconnect();
  socket.disconnect();
});

fact("it hears who comes, says, joins, leaves and goes", async () => {
  const { socket, hear } = await admin();
  const other = await entered(server, "/chat");
  const { id } = other;
  const [, connected, time] = await hear("socket_connected", (found) => found.id === id);
  assert.ok(connected.nsp === "/chat" && isDate(time));
  await ask(other, "join", "room");
  const received = await hear("event_received", (nsp, from) => from === id);
  assert.deepEqual(received.slice(1, 4), ["/chat", id, ["join", "room"]]);
  const joined = await hear("room_joined", (nsp, room) => room === "room");
  assert.deepEqual(joined.slice(1, 4), ["/chat", "room", id]);
  await ask(other, "set-data", { a: 1 });
  const [, updated] = await hear("socket_updated", (found) => found.id === id);
  assert.deepEqual(updated, { id, nsp: "/chat", data: { a: 1 } });
  other.emit("echo", 1, Buffer.from([2]));
  const sent = await hear("event_sent", (nsp, to, [name]) => to === id && name === "echo-back");
  assert.deepEqual(sent[3], ["echo-back", 1, Buffer.from([2])]);
  await ask(other, "in", "room", "news", 5);
  const news = await hear("event_sent", (nsp, to, [name]) => name === "news");
  assert.deepEqual(news.slice(1, 4), ["/chat", id, ["news", 5]]);
  await ask(other, "leave", "room");
  assert.deepEqual((await hear("room_left")).slice(1, 4), ["/chat", "room", id]);
  other.disconnect();
  const gone = await hear("socket_disconnected", (nsp, who) => who === id);
  assert.deepEqual(gone.slice(1, 4), ["/chat", id, "client namespace disconnect"]);
  socket.disconnect();
});

fact("it hears that a socket went over to a WebSocket", async () => {
  const { socket, hear } = await admin();
  const other = await entered(server, "/chat", { transports: TRANSPORTS.upgrade });
  const [, moved] = await hear("socket_updated", (found) => found.id === other.id);
  assert.deepEqual(moved, { id: other.id, nsp: "/chat", transport: "websocket" });
  other.disconnect();
  socket.disconnect();
});

fact("it acts on others", async () => {
  const { socket } = await admin();
  const [one, two] = [await entered(server, "/chat"), await entered(server, "/chat")];
  const [first, second] = [all(one, "hello"), all(two, "hello")];
  socket.emit("join", "/chat", "picked", one.id);
  socket.emit("emit", "/chat", "picked", "hello", 1, Buffer.from([9]));
  socket.emit("emit", "/chat", undefined, "hello", 2);
  socket.emit("leave", "/chat", "picked", one.id);
  const gone = once(one, "disconnect");
  socket.emit("_disconnect", "/chat", false, one.id);
  assert.equal((await within(gone, "the end"))[0], "io server disconnect");
  await settled(two);
  assert.deepEqual(first, [[1, Buffer.from([9])], [2]]);
  assert.deepEqual(second, [[2]]);
  assert.deepEqual((await ask(two, "get-data")).rooms, []);
  two.disconnect();
  socket.disconnect();
});

fact("statistics come while somebody listens", async () => {
  const { socket, hear } = await admin();
  const other = await entered(server, "/chat");
  const [, stats] = await hear("server_stats");
  assert.deepEqual([stats.serverId, typeof stats.pid, stats.clientsCount], ["here", "number", 2]);
  assert.equal(stats.pollingClientsCount, 0);
  assert.ok(stats.namespaces.some(({ name, socketsCount }) => name === "/chat" && socketsCount));
  const types = stats.aggregatedEvents.map(({ type }) => type);
  assert.ok(types.includes("packetsOut") && types.includes("rawConnection"));
  other.disconnect();
  socket.disconnect();
});
