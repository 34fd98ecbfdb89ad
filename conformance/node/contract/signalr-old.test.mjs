/**
 * `omniwire conformance --suite signalr` with the client of ASP.NET Core 1.1, which old pages still
 * have: negotiate version 0, no streams of the client's, no reconnect.
 */

import assert from "node:assert/strict";
import { createRequire } from "node:module";

import { Inbox, within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const require = createRequire(import.meta.url);
const { HttpTransportType, HubConnectionBuilder, LogLevel } = require("@aspnet/signalr");
const { MessagePackHubProtocol } = require("@aspnet/signalr-protocol-msgpack");

const server = suite("signalr");
const { WebSockets, ServerSentEvents, LongPolling } = HttpTransportType;

for (const [way, name, transport, binary] of [
  ["WebSockets, json", "WebSockets", WebSockets],
  ["ServerSentEvents, json", "ServerSentEvents", ServerSentEvents],
  ["LongPolling, json", "LongPolling", LongPolling],
  ["WebSockets, messagepack", "WebSockets", WebSockets, true],
  ["LongPolling, messagepack", "LongPolling", LongPolling, true],
]) {
  const fact = (title, count, body, path = "/hubs/test", options = {}) =>
    server.fact(`${way}: ${title}`, () =>
      withHubs(count, path, { transport, ...options }, binary, body));

  fact("calls, their results and their errors", 1, async ([hub]) => {
    assert.equal(await hub.invoke("Echo", "ä 漢 😀 \u001e"), "ä 漢 😀 \u001e");
    assert.equal(await hub.invoke("Add", 1, 2), 3);
    assert.equal(await hub.invoke("GetTransport"), name);
    assert.equal((await hub.invoke("ReturnVoid")) ?? null, null);
    const any = { a: [1, null, { b: "c" }] };
    assert.deepEqual(await hub.invoke("EchoAny", any), any);
    await assert.rejects(hub.invoke("ThrowHubException", "told you"), /HubException: told you/);
    await assert.rejects(hub.invoke("Nope"), /HubException: Method does not exist\./);
    assert.equal(await hub.invoke("Add", 1, 1), 2);
  });

  fact("streams, and their errors", 1, async ([hub]) => {
    assert.deepEqual(await streamed(hub, "Counter", 5, 1), [0, 1, 2, 3, 4]);
    assert.deepEqual(await streamed(hub, "Counter", 0, 0), []);
    await assert.rejects(streamed(hub, "CounterThrow", 2, "enough"), /HubException: enough/);
    await assert.rejects(streamed(hub, "Add", 1, 2), /non-streaming 'Add' method/);
  });

  // In MessagePack this client cannot say that it wants no more.
  if (!binary) {
    fact("a cancelled stream ends on the server", 1, async ([hub]) => {
      const key = `old ${way}`;
      const items = new Inbox();
      const subscription = hub.stream("Infinite", key, 5).subscribe({
        next: (item) => items.push(item), error: () => {}, complete: () => {},
      });
      await items.take(2);
      subscription.dispose();
      const end = Date.now() + 10_000;
      while (await hub.invoke("IsStreamAlive", key)) assert.ok(Date.now() < end);
    });
  }

  fact("a group hears, and who has left does not", 3, async ([ada, bob, eve]) => {
    const group = `old ${way}`;
    const id = await bob.invoke("GetConnectionId");
    await ada.invoke("JoinGroup", group);
    await eve.invoke("JoinGroupFor", id, group);
    await eve.invoke("SendToGroup", group, "both", 1);
    await ada.invoke("SendToOthersInGroup", group, "other", 2);
    await bob.invoke("LeaveGroup", group);
    await eve.invoke("SendToGroup", group, "one", 3);
    await Promise.all([ada, bob, eve].map((hub) => hub.invoke("SendToCaller", "end", 0)));
    assert.deepEqual(await ada.heard.take(3), [["both", 1], ["one", 3], ["end", 0]]);
    assert.deepEqual(await bob.heard.take(3), [["both", 1], ["other", 2], ["end", 0]]);
    assert.deepEqual(await eve.heard.take(1), [["end", 0]]);
  });

  fact("a token says who it is", 1, async ([hub]) => {
    assert.equal(await hub.invoke("GetUserId"), "ada");
  }, "/hubs/auth", { accessTokenFactory: () => "token-ada" });

  fact("an abort is heard, and a new connection begins anew", 1, async ([hub]) => {
    const closed = new Promise((resolve) => hub.onclose(resolve));
    const before = await hub.invoke("GetConnectionId");
    hub.invoke("Abort").catch(() => {});
    await within(closed, "the close");
    await hub.start();
    assert.notEqual(await hub.invoke("GetConnectionId"), before);
  });
}

server.fact("WebSockets without negotiation", () =>
  withHubs(1, "/hubs/test", { transport: WebSockets, skipNegotiation: true }, false, ([hub]) =>
    hub.invoke("Add", 2, 2).then((sum) => assert.equal(sum, 4))));

server.fact("/hubs/v1only tells it that it is too old", async () => {
  const hub = build("/hubs/v1only", {});
  await assert.rejects(within(hub.start(), "the refusal"));
});

function build(path, options, binary) {
  const builder = new HubConnectionBuilder()
    .withUrl(server.http(path), options)
    .configureLogging(LogLevel.None);
  if (binary) builder.withHubProtocol(new MessagePackHubProtocol());
  const hub = builder.build();
  hub.heard = new Inbox();
  hub.on("Receive", (tag, payload) => hub.heard.push([tag, payload]));
  return hub;
}

async function withHubs(count, path, options, binary, body) {
  const hubs = Array.from({ length: count }, () => build(path, options, binary));
  try {
    for (const hub of hubs) await within(hub.start(), `${path} to connect`);
    await body(hubs);
  } finally {
    await Promise.all(hubs.map((hub) => hub.stop()));
  }
}

function streamed(hub, method, ...args) {
  const ended = new Promise((resolve, reject) => {
    const items = [];
    hub.stream(method, ...args).subscribe({
      next: (item) => items.push(item), error: reject, complete: () => resolve(items),
    });
  });
  return within(ended, `the end of ${method}`);
}
