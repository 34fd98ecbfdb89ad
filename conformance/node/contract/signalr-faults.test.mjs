/**
 * `omniwire conformance --suite signalr` over lines that break: nothing is lost, nothing comes
 * twice, order is kept. `CUTS` says how many lines break in all, `SEED` which and when.
 */

import assert from "node:assert/strict";
import { HttpTransportType, HubConnectionBuilder, LogLevel } from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";

import { FaultProxy, randomOf } from "../faults.mjs";
import { Inbox, within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const server = suite("signalr");
const { fact } = server;
const { WebSockets, ServerSentEvents, LongPolling } = HttpTransportType;

const CUTS = Number(process.env.CUTS ?? 50);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

/** What is said in one round, in each direction. */
const PER_ROUND = 20;
const KINDS = ["cut", "half-open", "late"];

for (const [title, binary] of [["json", false], ["messagepack", true]]) {
  fact(`${title}: a stateful reconnect loses and repeats nothing`, async (t) => {
    t.diagnostic(`SEED=${SEED}`);
    const random = randomOf(SEED + Number(binary));
    const proxy = await FaultProxy.start(server.address);
    const progress = { cuts: 0 };
    proxy.fate = () => {
      // Each line in a round lives longer than the one before: else none might bring it further
      // than what is sent again at its beginning.
      const after = 100 + random(2_000) * (1 + proxy.cuts - progress.cuts);
      return { kind: KINDS[random(KINDS.length)], after, delayMs: 1 + random(10) };
    };
    const hub = builder(proxy, { transport: WebSockets }, binary).withStatefulReconnect().build();
    const closed = new Promise((_, reject) => {
      hub.onclose((error) => reject(error ?? new Error("closed")));
    });
    try {
      await within(hub.start(), "the start");
      const id = hub.connectionId;
      const rounds = stateful(hub, proxy, progress, `${title} ${SEED}`);
      const done = await Promise.race([rounds, closed]);
      assert.equal(await hub.invoke("GetConnectionId"), id);
      t.diagnostic(`${proxy.cuts} cuts in ${done} rounds`);
    } finally {
      closed.catch(() => {});
      await hub.stop();
      await proxy.close();
    }
  });
}

/** Rounds of calls, a stream and pushes at the same time, until enough lines broke. */
async function stateful(hub, proxy, progress, key) {
  const pushed = new Inbox();
  hub.on("Receive", (tag, number) => pushed.push([tag, number]));
  let rounds = 0;
  for (; proxy.cuts < CUTS * 2 / 5; rounds += 1) {
    progress.cuts = proxy.cuts;
    const first = rounds * PER_ROUND;
    const pushes = pushed.take(PER_ROUND, "what the server pushes");
    const streamed = items(hub, "Counter", PER_ROUND, 1);
    const called = [hub.invoke("StartPush", PER_ROUND, 1)];
    for (const number of upTo(PER_ROUND)) {
      called.push(hub.invoke("Record", key, first + number));
    }
    await within(Promise.all(called), "the answers", 30_000);
    assert.deepEqual(await within(streamed, "the stream", 30_000), upTo(PER_ROUND));
    assert.deepEqual(await pushes, upTo(PER_ROUND).map((number) => ["seq", number]));
    assert.deepEqual(pushed.drain(), []);
  }
  assert.deepEqual(await hub.invoke("GetRecorded", key), upTo(rounds * PER_ROUND));
  return rounds;
}

for (const [title, transport] of Object.entries({ WebSockets, ServerSentEvents, LongPolling })) {
  fact(`${title}: automatic reconnect goes on where it broke off`, async (t) => {
    t.diagnostic(`SEED=${SEED}`);
    const random = randomOf(SEED + transport);
    const proxy = await FaultProxy.start(server.address);
    const hub = builder(proxy, { transport }).withAutomaticReconnect(Array(100).fill(0)).build();
    let back = deferred();
    hub.onreconnected(() => back.resolve());
    hub.onclose((error) => back.reject(error));
    try {
      await within(hub.start(), "the start");
      const key = `${title} ${SEED}`;
      let recorded = 0;
      while (proxy.cuts < CUTS / 15) {
        back = deferred();
        const next = recorded;
        const calls = upTo(10).map((number) => hub.invoke("Record", key, next + number));
        const answered = Promise.all(calls).then(() => true, () => false);
        setTimeout(() => proxy.cut(), random(20));
        // A line that broke behind the last answer broke all the same.
        await answered;
        await within(back.promise, "the reconnect", 30_000);
        // What had been said on the old line is handled before anything that is said on the new.
        const known = await hub.invoke("GetRecorded", key);
        assert.deepEqual(known, upTo(known.length));
        assert.ok(known.length >= recorded);
        recorded = known.length;
      }
      t.diagnostic(`${proxy.cuts} cuts`);
    } finally {
      await hub.stop();
      await proxy.close();
    }
  });
}

function builder(proxy, options, binary = false) {
  const builder = new HubConnectionBuilder()
    .withUrl(proxy.url("/hubs/test"), options)
    .configureLogging(LogLevel.None);
  if (binary) builder.withHubProtocol(new MessagePackHubProtocol());
  return builder;
}

function items(hub, method, ...args) {
  return new Promise((resolve, reject) => {
    const items = [];
    hub.stream(method, ...args).subscribe({
      next: (item) => items.push(item), error: reject, complete: () => resolve(items),
    });
  });
}

const upTo = (count) => Array.from({ length: count }, (_, number) => number);

function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  made.promise.catch(() => {});
  return made;
}
