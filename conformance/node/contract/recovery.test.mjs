/**
 * `omniwire conformance --suite churn`: what real clients of every protocol are given, or told,
 * when they come back to a recoverable room: after a cut, and after the server was started anew.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import WebSocket from "ws";

import { SUBPROTOCOL } from "../clients/envelope.mjs";
import { FaultProxy } from "../faults.mjs";
import { startSuite } from "../server.mjs";
import { within } from "../wait.mjs";
import { RETURNING } from "./recovery-clients.mjs";

test("a line is cut: all that was missed comes, in order and once", async (t) => {
  await everybody(t, async ({ server, clients, publish }) => {
    hold(clients);
    await cut(clients);
    await publish(3, 4);
    release(clients);
    for (const { name, client, recovers } of clients) {
      await t.test(name, async () => {
        assert.equal(await client.back(), recovers ? "recovered" : "lost");
        if (recovers) assert.deepEqual(await client.heard.take(2), [3, 4]);
      });
    }
    return server;
  });
});

test("the server dies: who missed something is told so", async (t) => {
  await everybody(t, async ({ server, clients, publish }) => {
    hold(clients);
    await cut(clients);
    await publish(3, 4);
    await server.die();
    return anew(t, { server, clients, publish });
  });
});

test("the server is told to end, and started anew: who missed something is told so", async (t) => {
  await everybody(t, async ({ server, clients, publish }) => {
    hold(clients);
    await server.stop();
    return anew(t, { server, clients, publish });
  });
});

/** A server at the same address that has never heard of anybody. */
async function anew(t, { server, clients, publish }) {
  const next = await startSuite("churn", {}, server.address.port);
  // More than its rooms had before: it is not by its number that an old place is told from a new.
  await publish(5, 6, 7);
  release(clients);
  for (const { name, client } of clients) {
    await t.test(name, async () => assert.equal(await client.back(), "lost"));
  }
  return next;
}

/**
 * Lets all clients hear something in their rooms, then lets `happen` happen, and sees that nothing
 * but what it waited for has come, and what is said next.
 */
async function everybody(t, happen) {
  let server = await startSuite("churn");
  const clients = await Promise.all(RETURNING.map(async ([name, recovers, make]) => {
    const proxy = await FaultProxy.start(server.address);
    return { name, recovers, proxy, client: make(proxy.url(""), name) };
  }));
  const publish = async (...numbers) => {
    await say(server.ws, clients.map(({ name }) => name), numbers);
  };
  try {
    await Promise.all(clients.map(({ client }) => client.start()));
    await publish(1, 2);
    for (const { client } of clients) {
      assert.deepEqual(await client.heard.take(2), [1, 2]);
    }
    server = await happen({ server, clients, publish });
    await publish(8);
    for (const { name, client } of clients) {
      await t.test(`${name}: then what is new`, async () => {
        assert.deepEqual(await client.heard.take(1), [8]);
        assert.deepEqual(client.words.drain(), [], "it was told once");
      });
    }
  } finally {
    await Promise.all(clients.map(({ client }) => client.close()));
    await Promise.all(clients.map(({ proxy }) => proxy.close()));
    await server.stop();
  }
}

function hold(clients) {
  for (const { proxy } of clients) proxy.hold();
}

function release(clients) {
  for (const { proxy } of clients) proxy.release();
}

/** Cuts each client off, and if it has no line just then, the next one. */
async function cut(clients) {
  const until = Date.now() + 10_000;
  for (const { name, proxy, client } of clients) {
    for (proxy.cut(); !client.isAway; proxy.cut()) {
      assert.ok(Date.now() < until, `${name} does not notice`);
      await setImmediate();
    }
  }
}

/** Joins these rooms, for without a member they are none, and says these numbers in each. */
async function say(base, rooms, numbers) {
  const socket = new WebSocket(`${base}/ws/kept`, SUBPROTOCOL);
  const said = rooms.flatMap((room) => numbers.map((number) => [room, number, ""]));
  let left = said.length;
  const all = new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("message", (data) => {
      const { reply, error } = JSON.parse(data);
      if (error) reject(new Error(JSON.stringify(error)));
      if (reply !== undefined && --left === 0) resolve();
    });
    socket.on("open", () => {
      for (const room of rooms) socket.send(JSON.stringify({ join: room }));
      said.forEach((args, id) => socket.send(JSON.stringify({ event: "publish", args, id })));
    });
  });
  await within(all, "what is said");
  socket.close();
}
