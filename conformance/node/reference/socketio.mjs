/**
 * The contract of `omniwire conformance --suite socketio`, kept by npm's own `socket.io`: what the
 * same client sees of both is compared in `contract/socketio-npm.test.mjs`.
 *
 * Takes the contract's environment (but for Redis, Admin UI and WebTransport), listens on a free
 * port, and says so on standard output as our binary does.
 */

import { createServer } from "node:http";
import { Server } from "socket.io";
import * as msgpack from "socket.io-msgpack-parser";

const { env } = process;
const number = (name, otherwise) => Number(env[name] ?? otherwise);

const http = createServer((_, response) => response.writeHead(404).end());
const io = new Server(http, {
  serveClient: false,
  path: env.SIO_PATH ?? "/socket.io/",
  pingInterval: number("SIO_PING_INTERVAL", 25_000),
  pingTimeout: number("SIO_PING_TIMEOUT", 20_000),
  connectTimeout: number("SIO_CONNECT_TIMEOUT", 45_000),
  upgradeTimeout: number("SIO_UPGRADE_TIMEOUT", 10_000),
  maxHttpBufferSize: number("SIO_MAX_PAYLOAD", 1_000_000),
  transports: (env.SIO_TRANSPORTS ?? "polling,websocket").split(","),
  allowEIO3: env.SIO_EIO3 === "1",
  ...(env.SIO_COOKIE && {
    cookie: { name: env.SIO_COOKIE, path: "/", httpOnly: true, sameSite: "lax" },
  }),
  // Of our own: `cookie` as it is given to npm's server.
  ...(env.SIO_COOKIE_OPTION && { cookie: JSON.parse(env.SIO_COOKIE_OPTION) }),
  ...(env.SIO_CORS && { cors: { origin: env.SIO_CORS, credentials: true } }),
  ...(env.SIO_PARSER === "msgpack" && { parser: msgpack }),
  ...(number("SIO_RECOVERY_MS", 0) > 0 && {
    connectionStateRecovery: {
      maxDisconnectionDuration: number("SIO_RECOVERY_MS", 0),
      skipMiddlewares: env.SIO_RECOVERY_SKIP_MW !== "0",
    },
  }),
});

io.on("connection", serve);
io.of("/chat").on("connection", serve);
io.of(/^\/dyn-\d+$/).on("connection", serve);
io.of("/auth").on("connection", serve);
io.of("/auth").use(async (socket, next) => {
  const { slow, token } = socket.handshake.auth;
  await new Promise((resolve) => setTimeout(resolve, slow ?? 0));
  if (token === "secret") return next();
  next(Object.assign(new Error("not authorized"), { data: { code: 401, hint: "token" } }));
});

function serve(socket) {
  const { nsp, id } = socket;
  socket.emit("welcome", {
    id, nsp: nsp.name, auth: socket.handshake.auth ?? {}, recovered: socket.recovered,
  });
  talk(socket);
  meet(socket, nsp);
  socket.on("disconnecting", (reason) => {
    nsp.local.to("watch").except(id).emit("gone", id, reason, roomsOf(socket));
  });
}

/** Events that are between one socket and the server. */
function talk(socket) {
  const on = (event, handler) => socket.on(event, split(handler));
  on("echo", (_, ...a) => socket.emit("echo-back", ...a));
  on("echo-ack", (ack, ...a) => ack(...a));
  on("ask", (_, ...a) => socket.emit("question", ...a, (...r) => socket.emit("answered", ...r)));
  on("ask-timeout", (_, ms, ...a) => {
    socket.timeout(ms).emit("question", ...a, (error, ...args) => {
      socket.emit("ask-result", error ? { ok: false, args: [] } : { ok: true, args });
    });
  });
  on("bin-info", (ack, ...a) => {
    const hex = binaries(a);
    ack({ count: hex.length, hex });
  });
  on("make-bin", (ack, n) => {
    const list = Array.from({ length: n }, (_, i) => Buffer.of(i));
    ack({ list, nested: { deep: { blob: Buffer.of(0xde, 0xad, 0xbe, 0xef), text: "t" } } });
  });
  on("volatile", (ack, event, ...a) => {
    socket.volatile.emit(event, ...a);
    ack();
  });
  on("set-data", (ack, data) => {
    socket.data = data;
    ack();
  });
  on("get-data", (ack) => ack({ data: socket.data, rooms: roomsOf(socket) }));
  on("bye", (_, close) => socket.disconnect(close));
  on("kick-transport", () => socket.conn.close());
  on("burst", (ack, n, size) => {
    for (let i = 0; i < n; i += 1) socket.emit("b", i, "x".repeat(size));
    ack(n);
  });
  on("transport", (ack) => ack(socket.conn.transport.name));
  on("handshake", (ack) => {
    const { query, auth, headers, secure, xdomain } = socket.handshake;
    ack({ query, auth: auth ?? {}, headers, secure, xdomain });
  });
}

/** Events that concern other sockets. */
function meet(socket, nsp) {
  const on = (event, handler) => socket.on(event, split(handler));
  const acked = (event, handler) => on(event, (ack, ...a) => {
    handler(...a);
    ack();
  });
  const at = (rooms, within = nsp) => (list(rooms).length > 0 ? within.in(list(rooms)) : within);
  on("join", async (ack, rooms) => {
    await socket.join(list(rooms));
    ack(roomsOf(socket));
  });
  on("leave", async (ack, rooms) => {
    for (const room of list(rooms)) await socket.leave(room);
    ack(roomsOf(socket));
  });
  acked("to", (rooms, event, ...a) => socket.to(list(rooms)).emit(event, ...a));
  acked("in", (rooms, event, ...a) => at(rooms).emit(event, ...a));
  acked("except", (rooms, not, event, ...a) => at(rooms).except(list(not)).emit(event, ...a));
  acked("broadcast", (event, ...a) => socket.broadcast.emit(event, ...a));
  acked("local", (event, ...a) => nsp.local.emit(event, ...a));
  acked("volatile-in", (rooms, event, ...a) => at(rooms, nsp.volatile).emit(event, ...a));
  on("broadcast-ack", (ack, rooms, ms, event, ...a) => {
    at(rooms).timeout(ms).emit(event, ...a, (error, responses) => {
      ack({ timedOut: Boolean(error), responses });
    });
  });
  on("fetch", async (ack, rooms) => {
    const found = await at(rooms).fetchSockets();
    ack(found.map(({ id, data, rooms: all, handshake }) => ({
      id, data, rooms: roomsOf({ id, rooms: all }), query: handshake.query,
    })));
  });
  acked("sockets-join", (rooms, room) => at(rooms).socketsJoin(room));
  acked("sockets-leave", (rooms, room) => at(rooms).socketsLeave(room));
  on("disconnect-sockets", (ack, rooms, close) => {
    ack();
    at(rooms).disconnectSockets(close);
  });
  acked("server-side-emit", (...a) => nsp.serverSideEmit("sse", ...a));
  on("server-side-ask", (ack, ...a) => {
    nsp.serverSideEmit("sse", ...a, (error, responses) => {
      ack({ timedOut: Boolean(error), responses });
    });
  });
}

/** Gives a handler the acknowledgement, or what ignores it, in front of the arguments. */
function split(handler) {
  return (...args) => {
    const ack = typeof args.at(-1) === "function" ? args.pop() : () => {};
    return handler(ack, ...args);
  };
}

const list = (rooms) => [rooms ?? []].flat();

const roomsOf = ({ id, rooms }) => [...rooms].filter((room) => room !== id).sort();

/** The binary values in a value as hex, depth first. */
function binaries(value) {
  if (Buffer.isBuffer(value)) return [value.toString("hex")];
  if (value === null || typeof value !== "object") return [];
  return Object.values(value).flatMap(binaries);
}

http.listen(0, "127.0.0.1", () => {
  process.stdout.write(`listening on 127.0.0.1:${http.address().port}\n`);
});
process.once("SIGTERM", () => io.close(() => process.exit(0)));
