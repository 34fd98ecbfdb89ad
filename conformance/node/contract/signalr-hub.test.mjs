/**
 * `omniwire conformance --suite signalr`: every method of contracts/signalr.md with Microsoft's
 * client, over each transport and in both encodings.
 */

import assert from "node:assert/strict";
import {
  HttpTransportType, HubConnectionBuilder, LogLevel, Subject,
} from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";

import { Inbox, within } from "../wait.mjs";
import { CLOSED_WITH_ERROR, Line } from "./signalr-line.mjs";
import { suite } from "./suite.mjs";

const server = suite("signalr");
const { fact } = server;
const { WebSockets, ServerSentEvents, LongPolling } = HttpTransportType;

const WAYS = [
  { way: "WebSockets, json", name: "WebSockets", transport: WebSockets },
  { way: "ServerSentEvents, json", name: "ServerSentEvents", transport: ServerSentEvents },
  { way: "LongPolling, json", name: "LongPolling", transport: LongPolling },
  { way: "WebSockets, messagepack", name: "WebSockets", transport: WebSockets, binary: true },
  { way: "LongPolling, messagepack", name: "LongPolling", transport: LongPolling, binary: true },
];

for (const { way, name, transport, binary } of WAYS) {
  /** A fact about one connected hub. */
  const each = (title, body, path = "/hubs/test", options = {}) => {
    fact(`${way}: ${title}`, () => withHub(path, { transport, ...options }, body, binary));
  };
  /** The same about several. */
  const eachOf = (count, title, body, options = {}) => {
    fact(`${way}: ${title}`, () => withHubs(count, { transport, ...options }, body, binary));
  };

  each("texts come back as they went, 0x1E and other controls included", async (hub) => {
    for (const text of ["", "ä 漢 😀 \u001e \u0000 \r\n \u2028", "x".repeat(30_000), null]) {
      assert.equal(await hub.invoke("Echo", text), text);
    }
  });

  each("numbers and booleans keep their values", async (hub) => {
    for (const long of [0, -1, 2 ** 31, -(2 ** 31) - 1, 2 ** 53 - 1, -(2 ** 53) + 1]) {
      assert.equal(await hub.invoke("EchoLong", long), long);
    }
    for (const double of [0, 1, -1.5, 1e300, -1e-300, 0.1]) {
      assert.equal(await hub.invoke("EchoDouble", double), double);
    }
    for (const bool of [true, false]) assert.equal(await hub.invoke("EchoBool", bool), bool);
    assert.deepEqual(await hub.invoke("EchoInts", [1, -2, 2 ** 31 - 1]), [1, -2, 2 ** 31 - 1]);
    assert.deepEqual(await hub.invoke("EchoInts", []), []);
  });

  each("any value comes back as it went", async (hub) => {
    for (const any of [null, 1, "a", [1, [2, { a: null }]], { a: { b: [true, 1.5] } }, {}, []]) {
      assert.deepEqual(await hub.invoke("EchoAny", any), any);
    }
  });

  each("bytes: base64 in json, bin in messagepack", async (hub) => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const sent = binary ? bytes : Buffer.from(bytes).toString("base64");
    const back = await hub.invoke("EchoBytes", sent);
    assert.deepEqual(binary ? Uint8Array.from(back) : back, sent);
  });

  each("dates: text in json, timestamps in messagepack", async (hub) => {
    for (const text of ["2024-02-29T12:34:56.789Z", "1969-12-31T23:59:59.000Z"]) {
      const sent = binary ? new Date(text) : text;
      assert.deepEqual(await hub.invoke("EchoDate", sent), sent);
      // Also where nobody looks at it.
      assert.deepEqual(await hub.invoke("EchoAny", { at: [sent] }), { at: [sent] });
    }
    await assert.rejects(hub.invoke("EchoDate", "tomorrow"));
  });

  each("a thing: unknown members dropped, absent ones null", async (hub) => {
    const blob = binary ? new Uint8Array([1, 2]) : "AQI=";
    const thing = { name: "n", count: 1, flag: true, ratio: 0.5, items: [1], missing: "here" };
    const nested = { key: "k", blob };
    const full = await hub.invoke("EchoThing", { ...thing, nested, unknown: [1] });
    if (binary) full.nested.blob = Uint8Array.from(full.nested.blob);
    assert.deepEqual(full, { ...thing, nested });
    const empty = await hub.invoke("EchoThing", {});
    assert.ok(Object.values(empty).every((member) => member === null), JSON.stringify(empty));
    assert.equal(Object.keys(empty).length, 7);
  });

  each("results: sums, lengths, nulls and nothing", async (hub) => {
    assert.equal(await hub.invoke("Add", -3, 5), 2);
    assert.equal(await hub.invoke("ADD", 1, 1), 2);
    assert.equal(await hub.invoke("Length", "a😀"), 3);
    assert.equal((await hub.invoke("BigString", 200_000)).length, 200_000);
    assert.equal(await hub.invoke("DelayedEcho", "late", 20), "late");
    for (const method of ["ReturnNull", "ReturnVoid", "ReturnTask"]) {
      assert.equal((await hub.invoke(method)) ?? null, null);
    }
  });

  each("binding is strict, and the connection lives on", async (hub) => {
    const text = "Failed to invoke 'Add' due to an error on the server.";
    const wrong = [
      [1], [1, 2, 3], [], ["1", 2], [1.5, 2], [null, 2], [2 ** 31, 1], [true, 1], [[1], 2], [{}, 1],
    ];
    for (const args of wrong) await rejects(hub.invoke("Add", ...args), text);
    await rejects(hub.invoke("Echo"), "Failed to invoke 'Echo' due to an error on the server.");
    await rejects(
      hub.invoke("ReturnVoid", 1), "Failed to invoke 'ReturnVoid' due to an error on the server.",
    );
    assert.equal(await hub.invoke("Add", 1, 2), 3);
  });

  each("errors in .NET's words", async (hub) => {
    const failed = (method) => `An unexpected error occurred invoking '${method}' on the server.`;
    await rejects(hub.invoke("ThrowOther", "secret"), failed("ThrowOther"));
    await rejects(
      hub.invoke("ThrowHubException", "told you"),
      `${failed("ThrowHubException")} HubException: told you`,
    );
    await rejects(
      hub.invoke("Nope"),
      "Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist.",
    );
    const wrongManner = (is, method, call) =>
      `The client attempted to invoke the ${is} '${method}' method with a ${call} invocation.`;
    await rejects(
      hub.invoke("Counter", 1, 0), wrongManner("streaming", "Counter", "non-streaming"),
    );
    await rejects(streamed(hub, "Add", 1, 2), wrongManner("non-streaming", "Add", "streaming"));
    await rejects(
      hub.invoke("UploadSum"),
      `${failed("UploadSum")} HubException: Client sent 0 stream(s), Hub method expects 1.`,
    );
  });

  each("streams from the server: items, then the end or the error", async (hub) => {
    assert.deepEqual(await streamed(hub, "Counter", 5, 1), [0, 1, 2, 3, 4]);
    assert.deepEqual(await streamed(hub, "Counter", 0, 0), []);
    assert.equal((await streamed(hub, "Counter", 3000, 0)).length, 3000);
    const items = [];
    await rejects(
      streamedInto(items, hub, "CounterThrow", 3, "enough"),
      "An error occurred on the server while streaming results. HubException: enough",
    );
    assert.deepEqual(items, [0, 1, 2]);
    await rejects(
      streamed(hub, "StreamThrowsAtOnce", "no"),
      "An unexpected error occurred invoking 'StreamThrowsAtOnce' on the server. HubException: no",
    );
  });

  each("a cancelled stream ends on the server, and calls go on beside it", async (hub) => {
    const key = `cancel ${way}`;
    const items = new Inbox();
    const subscription = hub.stream("Infinite", key, 5).subscribe(into(items));
    assert.deepEqual(await items.take(3), [0, 1, 2]);
    assert.equal(await hub.invoke("IsStreamAlive", key), true);
    subscription.dispose();
    await eventually(async () => !(await hub.invoke("IsStreamAlive", key)));
  });

  eachOf(2, "a stream ends when its client is gone", async ([hub, watcher]) => {
    const key = `gone ${way}`;
    const items = new Inbox();
    hub.stream("Infinite", key, 5).subscribe(into(items));
    await items.take(1);
    await hub.stop();
    await eventually(async () => !(await watcher.invoke("IsStreamAlive", key)));
  });

  each("streams from the client", async (hub) => {
    assert.equal(await uploaded(hub, "UploadSum", [], [1, 2, 3]), 6);
    assert.equal(await uploaded(hub, "UploadSum", [], []), 0);
    assert.equal(await uploaded(hub, "UploadConcat", ["p"], ["a", "b"]), "pab");
    assert.equal(await uploaded(hub, "UploadFirst", [], [7, 8, 9]), 7);
    assert.equal(await uploaded(hub, "UploadOutcome", [], [1]), "done");
    assert.match(await uploaded(hub, "UploadOutcome", [], [1, "x"]), /^failed: /);
    const failing = new Subject();
    const outcome = hub.invoke("UploadOutcome", failing);
    failing.error(new Error("broke"));
    assert.match(await within(outcome, "the outcome"), /^failed: .*broke/);
    assert.equal(await hub.invoke("Add", 1, 1), 2);
  });

  each("a long stream from the client arrives whole, also behind a slow call", async (hub) => {
    // The client makes a POST of each.
    const count = transport === WebSockets ? 3000 : 300;
    const slow = hub.invoke("DelayedEcho", "slow", 200);
    const numbers = Array.from({ length: count }, (_, index) => index);
    const sum = uploaded(hub, "UploadSum", [], numbers);
    assert.equal(await slow, "slow");
    assert.equal(await sum, (count * (count - 1)) / 2);
  });

  each("a stream that waits for its client lets other calls through", async (hub) => {
    const items = new Subject();
    const sum = hub.invoke("UploadSum", items);
    items.next(1);
    assert.equal(await within(hub.invoke("Add", 1, 1), "the other call"), 2);
    items.complete();
    assert.equal(await within(sum, "the sum"), 1);
  });

  each("a stream both ways", async (hub) => {
    const items = new Subject();
    const echoed = streamed(hub, "EchoStream", items);
    for (const item of ["a", "b"]) items.next(item);
    items.complete();
    assert.deepEqual(await echoed, ["echo:a", "echo:b"]);
  });

  eachOf(3, "every audience gets what is for it, and only that", async ([ada, bob, eve]) => {
    const payload = { n: [1, null], bytes: binary ? new Uint8Array([1]) : "AQ==" };
    const g = `g ${way}`;
    await ada.invoke("JoinGroup", g);
    await ada.invoke("JoinGroupFor", bob.connectionId, g);
    await ada.invoke("JoinGroupFor", "nobody", g);
    await eve.invoke("SendToGroup", g, "1 group", payload);
    await ada.invoke("SendToOthersInGroup", g, "2 others in group", 0);
    await eve.invoke("SendToGroupExcept", g, [ada.connectionId], "3 group except", 0);
    await eve.invoke("SendToGroups", [g, "none"], "4 groups", 0);
    await ada.invoke("LeaveGroupFor", bob.connectionId, g);
    await eve.invoke("SendToGroup", g, "5 group", 0);
    await ada.invoke("LeaveGroup", g);
    await eve.invoke("SendToGroup", g, "6 group", 0);
    await ada.invoke("SendToConnection", bob.connectionId, "7 connection", 0);
    const both = [ada.connectionId, bob.connectionId];
    await eve.invoke("SendToConnections", both, "8 connections", 0);
    await ada.invoke("SendToCaller", "9 caller", 0);
    await Promise.all([ada, bob, eve].map((hub) => hub.invoke("SendToCaller", "end", 0)));
    const tags = async (hub) => (await hub.heard.upTo("end")).map(([tag]) => tag);
    const first = await ada.heard.next("the payload");
    assert.equal(first[0], "1 group");
    if (binary) first[1].bytes = Uint8Array.from(first[1].bytes);
    assert.deepEqual(first[1], payload);
    assert.deepEqual(
      await tags(ada), ["4 groups", "5 group", "8 connections", "9 caller"],
    );
    assert.deepEqual(await tags(bob), [
      "1 group", "2 others in group", "3 group except", "4 groups", "7 connection", "8 connections",
    ]);
    assert.deepEqual(await tags(eve), []);
  });

  // On hubs of their own each: facts of this file run one after the other.
  eachOf(2, "all, all but some, others", async ([ada, bob]) => {
    await ada.invoke("SendToAll", "all", 1);
    await ada.invoke("SendToAllExcept", [bob.connectionId, "nobody"], "except", 2);
    await ada.invoke("SendToOthers", "others", 3);
    await Promise.all([ada, bob].map((hub) => hub.invoke("SendToCaller", "end", 0)));
    assert.deepEqual(await ada.heard.upTo("end"), [["all", 1], ["except", 2]]);
    assert.deepEqual(await bob.heard.upTo("end"), [["all", 1], ["others", 3]]);
  });

  eachOf(2, "users are all their connections", async ([one, other]) => {
    assert.equal(await one.invoke("GetUserId"), "twice");
    await withHub("/hubs/test", {}, async (sender) => {
      assert.equal(await sender.invoke("GetUserId"), null);
      await sender.invoke("SendToUser", "twice", "user", 1);
      await sender.invoke("SendToUsers", ["nobody", "twice"], "users", 2);
    });
    for (const hub of [one, other]) {
      assert.deepEqual(await hub.heard.take(2), [["user", 1], ["users", 2]]);
    }
  }, { accessTokenFactory: () => "token-twice" });

  eachOf(2, "questions to clients", async ([asker, asked]) => {
    const ask = (question, ms = 3_000) =>
      asker.invoke("AskClient", asked.connectionId, question, ms);
    assert.match(await ask("none"), /^client error:.*Client didn't provide a result/);
    asked.on("Answer", (question) => {
      if (question === "fail") throw new Error("no idea");
      if (question === "type") return 5;
      if (question === "never") return new Promise(() => {});
      return `I say ${question}`;
    });
    assert.equal(await ask("yes"), "answer:I say yes");
    assert.match(await ask("fail"), /^client error:.*no idea/);
    assert.match(await ask("type"), /^(client error|failed):/);
    assert.match(await ask("never", 100), /^client error:.*cancel/);
    assert.match(await asker.invoke("AskClient", "nobody", "?", 100), /^failed:/);
    const unanswered = ask("never", 10_000);
    await asked.stop();
    assert.match(await within(unanswered, "the asker's answer"), /^failed:/);
  });

  each("a client that first asks back does not lock up its own call", async (hub) => {
    hub.on("Answer", async (question) => `${question} ${await hub.invoke("Add", 1, 1)}`);
    assert.equal(await within(hub.invoke("AskMe", "me"), "the answer"), "answer:me 2");
  });

  each("what the server knows of a connection", async (hub) => {
    assert.equal(await hub.invoke("GetConnectionId"), hub.connectionId);
    assert.equal(await hub.invoke("GetTransport"), name);
    assert.equal(await hub.invoke("GetHeader", "x-test"), "seen");
    assert.equal(await hub.invoke("GetHeader", "x-none"), null);
    assert.equal(await hub.invoke("GetQuery", "colour"), "blue");
    assert.equal(await hub.invoke("GetQuery", "none"), null);
    assert.notEqual(await hub.invoke("GetQuery", "id"), null);
  }, "/hubs/test?colour=blue", { headers: { "X-Test": "seen" } });

  each("records are kept, and pushes come in order", async (hub) => {
    const key = `record ${way}`;
    for (const value of [3, 1, 2]) await hub.invoke("Record", key, value);
    assert.deepEqual(await hub.invoke("GetRecorded", key), [3, 1, 2]);
    assert.deepEqual(await hub.invoke("GetRecorded", `${key} none`), []);
    await hub.invoke("StartPush", 5, 5);
    const pushed = await hub.heard.take(5);
    assert.deepEqual(pushed, [0, 1, 2, 3, 4].map((number) => ["seq", number]));
  });

  eachOf(3, "an abort and a stop end the connection", async ([watcher, aborted, stopped]) => {
    const closed = new Promise((resolve) => aborted.onclose(resolve));
    assert.equal(await watcher.invoke("ConnectionState", aborted.connectionId), "connected");
    const ids = [aborted.connectionId, stopped.connectionId];
    aborted.invoke("Abort").catch(() => {});
    await within(closed, "the close");
    await stopped.stop();
    for (const id of ids) {
      await eventually(async () => (await watcher.invoke("ConnectionState", id)) === "clean");
    }
    assert.equal(await watcher.invoke("ConnectionState", "nobody"), "unknown");
  });

  each("the client time-out spares who pings", async (hub) => {
    const { connectionId } = hub;
    // Longer than both time-outs, with the client's pings alone.
    assert.equal(await hub.invoke("DelayedEcho", "still here", 4_500), "still here");
    assert.equal(await hub.invoke("ConnectionState", connectionId), "connected");
  }, "/hubs/fast", { pingMs: 500 });

  each("/hubs/par: the quick call overtakes the slow one", async (hub) => {
    const slow = hub.invoke("DelayedEcho", "slow", 300);
    assert.equal(await hub.invoke("DelayedEcho", "quick", 0), "quick");
    assert.equal(await slow, "slow");
  }, "/hubs/par");

  each("/hubs/test: the second call waits for the first", async (hub) => {
    const done = [];
    await Promise.all([
      hub.invoke("DelayedEcho", "slow", 100).then((text) => done.push(text)),
      hub.invoke("Echo", "quick").then((text) => done.push(text)),
    ]);
    assert.deepEqual(done, ["slow", "quick"]);
  });

  each("/hubs/detail tells why", async (hub) => {
    await rejects(
      hub.invoke("ThrowOther", "m"),
      "An unexpected error occurred invoking 'ThrowOther' on the server. " +
        "InvalidOperationException: m",
    );
    await rejects(
      hub.invoke("Add", 1),
      "Failed to invoke 'Add' due to an error on the server. InvalidDataException: " +
        "Invocation provides 1 argument(s) but target expects 2.",
    );
  }, "/hubs/detail");

  each("/hubs/big takes 4 MB, and hears from outside", async (hub) => {
    assert.equal(await hub.invoke("Length", "x".repeat(4_000_000)), 4_000_000);
    await hub.invoke("JoinGroup", "outside");
    const { connectionId } = hub;
    for (const [to, name] of [
      ["all", ""], ["group", "outside"], ["user", "bar"], ["connection", connectionId],
    ]) {
      const body = JSON.stringify({ to, name, tag: to, payload: { a: [1] } });
      const headers = { "Content-Type": "application/json" };
      const answer = await fetch(server.http("/bar/send"), { method: "POST", headers, body });
      assert.equal(answer.status, 204);
      assert.deepEqual(await hub.heard.next(to), [to, { a: [1] }]);
    }
  }, "/hubs/big", { accessTokenFactory: () => "token-bar" });

  fact(`${way}: a message over the limit ends the connection, and it may come back`, async () => {
    for (const len of [40_000, 1_500_000]) {
      const options = { transport, reconnect: [0] };
      await withHub("/hubs/test", options, async (hub) => {
        const back = new Promise((resolve) => hub.onreconnected(resolve));
        hub.invoke("Length", "x".repeat(len)).catch(() => {});
        await within(back, "the reconnection");
        assert.equal(await hub.invoke("Add", 1, 1), 2);
      }, binary);
    }
  });

  fact(`${way}: /hubs/auth lets in who has a token`, async () => {
    const token = { transport, accessTokenFactory: () => "token-ada" };
    await withHub("/hubs/auth", token, async (hub) => {
      assert.equal(await hub.invoke("GetUserId"), "ada");
    }, binary);
    for (const bad of [undefined, "other"]) {
      const hub = build("/hubs/auth", { transport, accessTokenFactory: () => bad }, binary);
      await assert.rejects(within(hub.start(), "the refusal"), /401|Unauthorized/);
    }
  });

  fact(`${way}: /hubs/refuse closes after the handshake, for good`, async () => {
    const hub = build("/hubs/refuse", { transport, reconnect: [0] }, binary);
    const closed = new Promise((resolve) => hub.onclose(resolve));
    const failed = hub.start().then(() => closed, (error) => error);
    const { message } = await within(failed, "the refusal");
    assert.match(message, /Connection closed with an error\. HubException: not today/);
  });
}

fact("/hubs/wsonly and /hubs/lponly refuse the other transports", async () => {
  for (const [path, transport] of [
    ["/hubs/wsonly", ServerSentEvents], ["/hubs/wsonly", LongPolling],
    ["/hubs/lponly", WebSockets], ["/hubs/lponly", ServerSentEvents],
  ]) {
    await assert.rejects(within(build(path, { transport }).start(), "the refusal"));
  }
  const skipped = build("/hubs/lponly", { transport: WebSockets, skipNegotiation: true });
  await assert.rejects(within(skipped.start(), "the refusal"));
});

fact("/hubs/v1only refuses version 0, and no other hub does", async () => {
  const negotiate = async (path, query) => {
    const answer = await fetch(server.http(`${path}/negotiate${query}`), { method: "POST" });
    return answer.json();
  };
  const refused = await negotiate("/hubs/v1only", "");
  assert.deepEqual(refused, {
    error: "The client requested version '0', but the server does not support this version.",
  });
  assert.equal((await negotiate("/hubs/v1only", "?negotiateVersion=1")).negotiateVersion, 1);
  assert.equal((await negotiate("/hubs/test", "")).negotiateVersion, 0);
  await withHub("/hubs/v1only", {}, async (hub) => {
    assert.equal(await hub.invoke("Add", 1, 1), 2);
  });
});

fact("/hubs/fast pings each second, also who is talked to", async () => {
  const line = await Line.open(server.ws("/hubs/fast"));
  const pings = [];
  for (let count = 0; count < 3; count += 1) {
    await line.next("a ping", ({ type }) => type === 6);
    pings.push(Date.now());
  }
  assert.ok(pings[2] - pings[0] > 1_000 && pings[2] - pings[0] < 6_000, String(pings));
  line.close();
});

fact("/hubs/fast ends a client that pinged and fell silent, which may come back", async () => {
  const line = await Line.open(server.ws("/hubs/fast"));
  const began = Date.now();
  line.say({ type: 6 });
  const close = await line.next("the close", ({ type }) => type === 7);
  assert.ok(Date.now() - began >= 2_500);
  assert.deepEqual(close, CLOSED_WITH_ERROR);
  assert.equal(await within(line.closed, "the end"), 1000);
});

fact("/hubs/fast spares a client that never pings", async () => {
  const line = await Line.open(server.ws("/hubs/fast"));
  line.say({ type: 1, invocationId: "1", target: "DelayedEcho", arguments: ["here", 4_000] });
  const { result } = await line.next("the answer", ({ type }) => type !== 6);
  assert.equal(result, "here");
  line.close();
});

fact("/hubs/fast cancels a handshake that does not come", async () => {
  const line = new Line(server.ws("/hubs/fast"));
  assert.deepEqual(await line.next("the refusal"), { error: "Handshake was canceled." });
  assert.equal(await within(line.closed, "the end"), 1000);
});

fact("two streams from the client, the second one first", async () => {
  const line = await Line.open(server.ws("/hubs/test"));
  const streamIds = ["n", "t"];
  line.say({ type: 1, invocationId: "1", target: "UploadTwo", arguments: [], streamIds });
  for (const item of ["a", "b"]) line.say({ type: 2, invocationId: "t", item });
  line.say({ type: 3, invocationId: "t" });
  for (const item of [1, 2, 3]) line.say({ type: 2, invocationId: "n", item });
  line.say({ type: 3, invocationId: "n" });
  assert.equal((await line.next("the answer")).result, "6|ab");
  line.close();
});

fact("an invocation id that a stream has is refused, and is free after its end", async () => {
  const line = await Line.open(server.ws("/hubs/test"));
  const stream = (key) =>
    line.say({ type: 4, invocationId: "s", target: "Infinite", arguments: [key, 20] });
  stream("in use 1");
  await line.next("an item", ({ type }) => type === 2);
  stream("in use 2");
  const { error } = await line.next("the refusal", ({ type }) => type === 3);
  assert.equal(error, "Invocation ID 's' is already in use.");
  line.say({ type: 5, invocationId: "s" });
  const end = await line.next("the end", ({ type }) => type === 3);
  assert.deepEqual(end, { type: 3, invocationId: "s" });
  stream("in use 3");
  assert.equal((await line.next("an item", ({ type }) => type === 2)).item, 0);
  line.close();
});

fact("a stream cancelled before its turn never begins", async () => {
  const line = await Line.open(server.ws("/hubs/test"));
  line.say({ type: 1, invocationId: "1", target: "DelayedEcho", arguments: ["a", 100] });
  line.say({ type: 1, invocationId: "2", target: "Echo", arguments: ["b"] });
  line.say({ type: 4, invocationId: "3", target: "Infinite", arguments: ["early", 1] });
  line.say({ type: 5, invocationId: "3" });
  const answers = [await line.next("1"), await line.next("2"), await line.next("3")];
  assert.deepEqual(answers.map(({ type, invocationId }) => [type, invocationId]), [
    [3, "1"], [3, "2"], [3, "3"],
  ]);
  assert.equal(answers[2].error, undefined);
  line.close();
});

fact("what the query of a WebSocket says counts, not what negotiate said", async () => {
  const answer = await fetch(
    server.http("/hubs/test/negotiate?negotiateVersion=1"), { method: "POST" },
  );
  const { connectionToken } = await answer.json();
  const query = `id=${connectionToken}&access_token=token-eve&colour=red`;
  const line = await Line.open(server.ws(`/hubs/test?${query}`));
  line.say({ type: 1, invocationId: "1", target: "GetUserId", arguments: [] });
  assert.equal((await line.next("the user")).result, "eve");
  line.say({ type: 1, invocationId: "2", target: "GetQuery", arguments: ["COLOUR"] });
  assert.equal((await line.next("the colour")).result, "red");
  line.close();
});

fact("/hubs/big takes a message of 4 MiB less its frame, over WebSockets too", async () => {
  const line = await Line.open(server.ws("/hubs/big"));
  const text = "x".repeat(4_194_000);
  line.say({ type: 1, invocationId: "1", target: "Length", arguments: [text] });
  assert.equal((await line.next("the length", ({ type }) => type === 3)).result, 4_194_000);
  line.close();
});

fact("pages of any origin may use every path", async () => {
  const origin = "http://page.example";
  for (const path of ["/hubs/auth/negotiate", "/bar/send"]) {
    const headers = {
      Origin: origin,
      "Access-Control-Request-Method": "POST",
      "Access-Control-Request-Headers": "x-signalr-user-agent,x-own",
    };
    const answer = await fetch(server.http(path), { method: "OPTIONS", headers });
    assert.ok(answer.ok);
    assert.equal(answer.headers.get("access-control-allow-origin"), origin);
    assert.equal(answer.headers.get("access-control-allow-credentials"), "true");
    assert.equal(answer.headers.get("access-control-allow-headers"), "x-signalr-user-agent,x-own");
    const methods = answer.headers.get("access-control-allow-methods");
    for (const method of ["GET", "POST", "DELETE"]) assert.ok(methods.includes(method));
  }
  const headers = { Origin: origin };
  const denied = await fetch(
    server.http("/hubs/auth/negotiate?negotiateVersion=1"), { method: "POST", headers },
  );
  assert.equal(denied.status, 401);
  assert.equal(denied.headers.get("access-control-allow-origin"), origin);
});

/** What a hub's `Receive` brought, as `[tag, payload]`. */
class Heard extends Inbox {
  /** All before the one with this tag. */
  async upTo(tag) {
    const heard = [];
    for (;;) {
      const [next, payload] = await this.next(`\`${tag}\``);
      if (next === tag) return heard;
      heard.push([next, payload]);
    }
  }
}

function build(path, { reconnect, pingMs, ...options }, binary = false) {
  const builder = new HubConnectionBuilder()
    .withUrl(server.http(path), options)
    .configureLogging(LogLevel.None);
  if (binary) builder.withHubProtocol(new MessagePackHubProtocol());
  if (reconnect) builder.withAutomaticReconnect(reconnect);
  const hub = builder.build();
  if (pingMs) hub.keepAliveIntervalInMilliseconds = pingMs;
  hub.heard = new Heard();
  hub.on("Receive", (tag, payload) => hub.heard.push([tag, payload]));
  return hub;
}

async function withHubs(count, options, body, binary, path = "/hubs/test") {
  const hubs = Array.from({ length: count }, () => build(path, options, binary));
  try {
    for (const hub of hubs) await within(hub.start(), `${path} to connect`);
    await body(hubs);
  } finally {
    await Promise.all(hubs.map((hub) => hub.stop()));
  }
}

function withHub(path, options, body, binary) {
  return withHubs(1, options, ([hub]) => body(hub), binary, path);
}

function rejects(promise, text) {
  return assert.rejects(within(promise, text), ({ message }) => {
    assert.equal(message, text);
    return true;
  });
}

function into(items) {
  return { next: (item) => items.push(item), error: () => {}, complete: () => {} };
}

/** The items of a stream once it has ended; its error is thrown. */
function streamedInto(items, hub, method, ...args) {
  const ended = new Promise((resolve, reject) => {
    hub.stream(method, ...args).subscribe({
      next: (item) => items.push(item),
      error: reject,
      complete: () => resolve(items),
    });
  });
  return within(ended, `the end of ${method}`);
}

const streamed = (hub, method, ...args) => streamedInto([], hub, method, ...args);

/** The answer to a call with a stream of these items behind its arguments. */
function uploaded(hub, method, args, items) {
  const stream = new Subject();
  const answer = hub.invoke(method, ...args, stream);
  for (const item of items) stream.next(item);
  stream.complete();
  return within(answer, `the answer of ${method}`);
}

/** Asks until the answer is yes: each question is a round trip, so this is no busy loop. */
async function eventually(isSo, limitMs = 10_000) {
  const end = Date.now() + limitMs;
  while (!(await isSo())) {
    assert.ok(Date.now() < end, `not so within ${limitMs} ms`);
  }
}
