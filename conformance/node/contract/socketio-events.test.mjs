/** Each row of the table of events in contracts/socketio.md, over each transport. */

import assert from "node:assert/strict";
import { io } from "socket.io-client";

import {
  all, ask, entered, next, Polling, settled, TRANSPORTS, withSockets,
} from "./socketio-sockets.mjs";
import { suite } from "./suite.mjs";

const server = suite("socketio");
const { fact } = server;

for (const [name, transports] of Object.entries(TRANSPORTS)) {
  const over = (title, count, body) => {
    fact(`${name}: ${title}`, () => withSockets(server, count, { transports }, body));
  };
  ownEvents(over, transports.at(-1));
  roomEvents(over);
  endEvents(over);
}

function ownEvents(over, transport) {
  over("echo and echo-ack give everything back", 1, async ([socket]) => {
    const args = ["😀", { a: [Buffer.of(1, 2), null, -1.5] }, [], Buffer.alloc(0), true];
    const back = next(socket, "echo-back");
    socket.emit("echo", ...args);
    assert.deepEqual(await back, args);
    const answer = await new Promise((done) => socket.emit("echo-ack", ...args, (...a) => done(a)));
    assert.deepEqual(answer, args);
    assert.deepEqual(await new Promise((done) => socket.emit("echo-ack", (...a) => done(a))), []);
  });

  over("ask and ask-timeout bring the client's answer, bytes included", 1, async ([socket]) => {
    let silent = false;
    socket.on("question", (...args) => silent || args.at(-1)(...args.slice(0, -1), Buffer.of(7)));
    const answered = next(socket, "answered");
    socket.emit("ask", "why", Buffer.of(1));
    assert.deepEqual(await answered, ["why", Buffer.of(1), Buffer.of(7)]);
    const result = (ms) => {
      const result = next(socket, "ask-result");
      socket.emit("ask-timeout", ms, { x: 1 });
      return result;
    };
    assert.deepEqual(await result(5_000), [{ ok: true, args: [{ x: 1 }, Buffer.of(7)] }]);
    silent = true;
    assert.deepEqual(await result(50), [{ ok: false, args: [] }]);
  });

  over("bin-info and make-bin", 1, async ([socket]) => {
    const found = await ask(socket, "bin-info", { a: Buffer.of(1) }, [[Buffer.of(0xff)]]);
    assert.deepEqual(found, { count: 2, hex: ["01", "ff"] });
    const { list, nested } = await ask(socket, "make-bin", 9);
    assert.deepEqual(list.map((bytes) => bytes[0]), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert.deepEqual(nested.deep, { blob: Buffer.from("deadbeef", "hex"), text: "t" });
  });

  over("set-data, get-data, fetch", 2, async ([socket, other]) => {
    assert.deepEqual(await ask(socket, "get-data"), { data: {}, rooms: [] });
    await ask(socket, "set-data", { list: [1, Buffer.of(2)] });
    await ask(socket, "join", ["b-data", "a-data"]);
    const [found, ...rest] = await ask(other, "fetch", ["b-data", "nobody"]);
    assert.deepEqual(rest, []);
    assert.equal(found.id, socket.id);
    assert.deepEqual(found.data, { list: [1, Buffer.of(2)] });
    assert.deepEqual(found.rooms, ["a-data", "b-data"]);
    assert.equal(found.query.EIO, "4");
  });

  over("transport and handshake", 1, async ([socket]) => {
    assert.equal(await ask(socket, "transport"), transport);
    const { query, auth, headers, secure, xdomain } = await ask(socket, "handshake");
    assert.equal(query.EIO, "4");
    assert.equal(typeof headers.host, "string");
    assert.deepEqual({ auth, secure, xdomain }, { auth: {}, secure: false, xdomain: false });
  });

  over("burst comes whole and in order, then its acknowledgement", 1, async ([socket]) => {
    const burst = all(socket, "b");
    assert.equal(await ask(socket, "burst", 2_000, 5_000), 2_000);
    assert.deepEqual(burst.map(([number]) => number), burst.map((_, index) => index));
    assert.equal(burst.length, 2_000);
    assert.ok(burst.every(([, text]) => text.length === 5_000));
  });
}

function roomEvents(over) {
  over("join, leave, to, in, except, broadcast, local", 3, async ([sender, member, other]) => {
    assert.deepEqual(await ask(sender, "join", ["r", "q"]), ["q", "r"]);
    assert.deepEqual(await ask(member, "join", "r"), ["r"]);
    assert.deepEqual(await ask(sender, "leave", "q"), ["r"]);
    await ask(member, "join", "not");
    const heard = [sender, member, other].map((socket) => all(socket, "news"));
    await ask(sender, "to", "r", "news", 1, Buffer.of(1));
    await ask(sender, "in", ["r"], "news", 2);
    await ask(sender, "in", null, "news", 3);
    await ask(sender, "except", [], "not", "news", 4);
    await ask(sender, "broadcast", "news", 5);
    await ask(sender, "local", "news", 6);
    await ask(sender, "to", other.id, "news", 7);
    await settled(sender, member, other);
    assert.deepEqual(heard, [
      [[2], [3], [4], [6]],
      [[1, Buffer.of(1)], [2], [3], [5], [6]],
      [[3], [4], [5], [6], [7]],
    ]);
  });

  over("volatile and volatile-in reach sockets that are ready", 2, async ([sender, member]) => {
    await ask(member, "join", "v");
    const [own, others] = [next(sender, "v"), next(member, "v")];
    // What was written before must have left.
    const ready = async () => {
      await ask(sender, "volatile", "v", 1, Buffer.of(1));
      await ask(sender, "volatile-in", "v", "v", 2);
    };
    for (let tries = 0; tries < 5; tries++) await ready();
    assert.deepEqual([await own, await others], [[1, Buffer.of(1)], [2]]);
  });

  over("broadcast-ack gathers first arguments", 3, async ([sender, first, second]) => {
    for (const [socket, answer] of [[first, 1], [second, Buffer.of(2)]]) {
      await ask(socket, "join", "asked");
      socket.on("q", (arg, done) => done(answer, "more"));
    }
    const { timedOut, responses } = await ask(sender, "broadcast-ack", "asked", 5_000, "q", "x");
    assert.equal(timedOut, false);
    assert.equal(responses.length, 2);
    assert.ok(responses.includes(1));
    assert.ok(responses.some((response) => Buffer.isBuffer(response) && response[0] === 2));
    second.off("q");
    const late = await ask(sender, "broadcast-ack", ["asked"], 100, "q", "x");
    assert.deepEqual(late, { timedOut: true, responses: [1] });
    const nobody = await ask(sender, "broadcast-ack", "nobody", 5_000, "q");
    assert.deepEqual(nobody, { timedOut: false, responses: [] });
  });

  over("sockets-join and sockets-leave", 2, async ([mover, moved]) => {
    await ask(moved, "join", "from");
    await ask(mover, "sockets-join", "from", "into");
    assert.deepEqual((await ask(moved, "get-data")).rooms, ["from", "into"]);
    await ask(mover, "sockets-leave", ["from"], "into");
    assert.deepEqual((await ask(moved, "get-data")).rooms, ["from"]);
  });

  over("server-side-emit and server-side-ask find no other node", 1, async ([socket]) => {
    const heard = all(socket, "sse");
    assert.equal(await ask(socket, "server-side-emit", 1), undefined);
    const answer = await ask(socket, "server-side-ask", 1);
    assert.deepEqual(answer, { timedOut: false, responses: [] });
    assert.deepEqual(heard, []);
  });
}

function endEvents(over) {
  for (const [title, event, told, reason] of [
    ["bye", ["bye", false], "io server disconnect", "server namespace disconnect"],
    ["bye with the connection", ["bye", true], "io server disconnect",
      "server namespace disconnect"],
    ["kick-transport", ["kick-transport"], "transport close", "forced close"],
  ]) {
    over(`${title} ends the socket, and watchers hear of it`, 2, async ([watcher, goer]) => {
      await ask(watcher, "join", "watch");
      await ask(goer, "join", ["somewhere", "watch"]);
      const [gone, ended, { id }] = [next(watcher, "gone"), next(goer, "disconnect"), goer];
      goer.emit(...event);
      assert.equal((await ended)[0], told);
      assert.deepEqual(await gone, [id, reason, ["somewhere", "watch"]]);
    });
  }

  over("the client's own end is told as such", 2, async ([watcher, goer]) => {
    await ask(watcher, "join", "watch");
    const [gone, { id }] = [next(watcher, "gone"), goer];
    goer.disconnect();
    assert.deepEqual(await gone, [id, "client namespace disconnect", []]);
  });

  over("disconnect-sockets acknowledges, then ends all, the sender too", 2, async (sockets) => {
    const ended = sockets.map((socket) => next(socket, "disconnect"));
    for (const socket of sockets) await ask(socket, "join", "out");
    assert.equal(await ask(sockets[0], "disconnect-sockets", "out", true), undefined);
    for (const [reason] of await Promise.all(ended)) assert.equal(reason, "io server disconnect");
  });
}

fact("volatile is dropped between two polls, and what is not volatile is kept", async () => {
  const polling = await Polling.enter(server);
  await polling.post('420["volatile","v",1]\u001e42["echo",2]');
  assert.deepEqual(await polling.packets(2), ["430[]", '42["echo-back",2]']);
});

fact("volatile is dropped for a client that does not read", async () => {
  const [slow, sender] = [await entered(server), await entered(server)];
  await ask(slow, "join", "slow");
  slow.io.engine.transport.ws.pause();
  const heard = all(slow, "v");
  // More than the sockets' own buffers hold.
  for (let sent = 0; sent < 40; sent++) {
    await ask(sender, "volatile-in", "slow", "v", "x".repeat(500_000));
  }
  slow.io.engine.transport.ws.resume();
  await settled(slow);
  assert.ok(heard.length < 40, `${heard.length} came`);
  slow.disconnect();
  sender.disconnect();
});

fact("500 messages each way while the client moves to a WebSocket: all, once, in order", async () => {
  const moving = await moved();
  assert.deepEqual(moving.back, Array.from({ length: 500 }, (_, index) => index));
  assert.deepEqual(moving.burst, Array.from({ length: 500 }, (_, index) => index));
  assert.equal(moving.transport, "websocket");
});

async function moved() {
  const socket = io(server.http("/"), { forceNew: true, reconnection: false });
  const [back, burst] = [[], []];
  socket.on("echo-back", (number) => back.push(number));
  socket.on("b", (number) => burst.push(number));
  const upgraded = new Promise((resolve) => socket.io.engine.once("upgrade", resolve));
  await next(socket, "welcome");
  const done = ask(socket, "burst", 500, 100);
  // Some before, some during, some after the move.
  let sent = 0;
  const isPolling = () => socket.io.engine.transport.name === "polling";
  while (sent < 500) {
    socket.emit("echo", sent++);
    if (sent % 10 === 0 && isPolling()) await ask(socket, "echo-ack");
  }
  await upgraded;
  await done;
  await settled(socket);
  const transport = await ask(socket, "transport");
  socket.disconnect();
  return { back, burst, transport };
}
