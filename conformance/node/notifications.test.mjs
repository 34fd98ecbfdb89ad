/** The example `notifications` with Microsoft's client: MessagePack, token in the query. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { HttpTransportType, HubConnectionBuilder, LogLevel } from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";

import { Server } from "./server.mjs";
import { Inbox, within } from "./wait.mjs";

let example;
before(async () => {
  example = await Server.start(
    ["127.0.0.1:0"], /listening on (?<address>\S+:\d+)/, {}, process.env.NOTIFICATIONS_BIN,
  );
});
after(() => example?.kill());

test("all clients of a user hear, and nobody else", async () => {
  const hubs = [];
  try {
    for (const name of ["ada", "ada", "bob"]) {
      hubs.push(await connected("/notifications/hub", `token-of-${name}`));
    }
    await post("/notify?user=ada&type=5");
    await post("/notify?user=bob&type=7");
    const heard = await Promise.all(hubs.map((hub) => hub.heard.next("a notification")));
    for (const [, { Payload }] of heard) {
      // A timestamp of MessagePack, so the client has made a date of it.
      assert.ok(Payload.Date instanceof Date && Math.abs(Date.now() - Payload.Date) < 60_000);
      delete Payload.Date;
    }
    const said = (UserId, Type) =>
      ["ReceiveMessage", { ContextId: null, Type, Payload: { UserId } }];
    assert.deepEqual(heard, [said("ada", 5), said("ada", 5), said("bob", 7)]);
    assert.deepEqual(hubs.flatMap((hub) => hub.heard.drain()), []);
  } finally {
    await Promise.all(hubs.map((hub) => hub.stop()));
  }
});

test("who has no token is refused: 401", async () => {
  await assert.rejects(connected("/notifications/hub", "forged"), /401/);
});

test("a device without a token hears the answer to its own request", async () => {
  const mine = await connected("/notifications/anonymous-hub?Token=r1");
  const other = await connected("/notifications/anonymous-hub?Token=r2");
  try {
    await post("/approve?request=r1");
    await post("/approve?request=r2");
    for (const [hub, request] of [[mine, "r1"], [other, "r2"]]) {
      assert.deepEqual(await hub.heard.next("it"), ["AuthRequestResponseReceived", request]);
    }
  } finally {
    await Promise.all([mine.stop(), other.stop()]);
  }
});

async function connected(path, token) {
  const options = { transport: HttpTransportType.WebSockets };
  if (token) options.accessTokenFactory = () => token;
  const hub = new HubConnectionBuilder()
    .withUrl(new URL(path, example.url).href, options)
    .withHubProtocol(new MessagePackHubProtocol())
    .configureLogging(LogLevel.None)
    .build();
  hub.heard = new Inbox();
  for (const method of ["ReceiveMessage", "AuthRequestResponseReceived"]) {
    hub.on(method, (message) => hub.heard.push([method, message]));
  }
  await within(hub.start(), `${path} to connect`);
  return hub;
}

async function post(path) {
  const answer = await fetch(new URL(path, example.url), { method: "POST" });
  assert.equal(answer.status, 204);
}
