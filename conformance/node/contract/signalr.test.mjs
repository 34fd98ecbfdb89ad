/** `omniwire conformance --suite signalr`, by contracts/signalr.md, with Microsoft's client. */

import assert from "node:assert/strict";
import {
  HttpTransportType, HubConnectionBuilder, LogLevel, Subject,
} from "@microsoft/signalr";

import { Inbox, within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const server = suite("signalr");
const { fact } = server;
const { WebSockets, ServerSentEvents, LongPolling } = HttpTransportType;

// Connecting

for (const [name, transport] of Object.entries({ WebSockets, ServerSentEvents, LongPolling })) {
  fact(`${name}: connects, echoes, streams, leaves`, async () => {
    await withHub("/hubs/test", { transport }, async (hub) => {
      assert.equal(await hub.invoke("GetTransport"), name);
      assert.equal(await hub.invoke("Echo", "ä 漢 😀 \u001e"), "ä 漢 😀 \u001e");
      assert.deepEqual(await streamed(hub, "Counter", 5, 0), [0, 1, 2, 3, 4]);
    });
  });
}

fact("WebSockets without negotiation connects", async () => {
  const options = { transport: WebSockets, skipNegotiation: true };
  await withHub("/hubs/test", options, async (hub) => {
    assert.equal(await hub.invoke("Add", 1, 2), 3);
  });
});

fact("negotiate version 1 has a token apart from the id, and all three transports", async () => {
  const { status, body } = await negotiate("/hubs/test");
  assert.equal(status, 200);
  assert.equal(body.negotiateVersion, 1);
  assert.equal(typeof body.connectionId, "string");
  assert.notEqual(body.connectionToken, body.connectionId);
  const names = body.availableTransports.map(({ transport }) => transport);
  assert.deepEqual(names.toSorted(), ["LongPolling", "ServerSentEvents", "WebSockets"]);
  const stream = body.availableTransports.find(({ transport }) => transport === "ServerSentEvents");
  assert.deepEqual(stream.transferFormats, ["Text"]);
});

for (const [hub, transport] of [["wsonly", "WebSockets"], ["lponly", "LongPolling"]]) {
  fact(`/hubs/${hub} offers only ${transport}, and works with it`, async () => {
    const { body } = await negotiate(`/hubs/${hub}`);
    assert.deepEqual(body.availableTransports.map((offer) => offer.transport), [transport]);
    await withHub(`/hubs/${hub}`, {}, async (connection) => {
      assert.equal(await connection.invoke("GetTransport"), transport);
    });
  });
}

fact("/hubs/auth: 401 without a token, the user's name with one", async () => {
  assert.equal((await negotiate("/hubs/auth")).status, 401);
  await withHub("/hubs/auth", { accessTokenFactory: () => "token-ada" }, async (hub) => {
    assert.equal(await hub.invoke("GetUserId"), "ada");
  });
});

fact("an unknown hub is 404", async () => {
  assert.equal((await negotiate("/hubs/nowhere")).status, 404);
});

fact("GET of negotiate is 405", async () => {
  const response = await fetch(server.http("/hubs/test/negotiate?negotiateVersion=1"));
  assert.equal(response.status, 405);
});

fact("/hubs/refuse closes with an error after the handshake", async () => {
  const hub = build("/hubs/refuse", {});
  const closed = new Promise((resolve) => hub.onclose(resolve));
  // The handshake is answered before the hub is asked, so start may succeed.
  const failed = hub.start().then(() => closed, (error) => error);
  assert.ok((await within(failed, "the refusal")) instanceof Error);
  await hub.stop();
});

// Invocations

fact("Echo and its kin give back what they got", async () => {
  await withHub("/hubs/test", {}, async (hub) => {
    for (const text of ["", "a\"\\\b\f\n\r\t\u0000", "\u2028\u2029\ufeff\uffff", "x".repeat(30_000)]) {
      assert.equal(await hub.invoke("Echo", text), text);
    }
    assert.equal(await hub.invoke("EchoLong", 2 ** 53 - 1), 2 ** 53 - 1);
    assert.equal(await hub.invoke("EchoDouble", -1.5e-7), -1.5e-7);
    assert.equal(await hub.invoke("EchoBool", true), true);
    assert.deepEqual(await hub.invoke("EchoInts", [1, -2, 3]), [1, -2, 3]);
    const any = { a: [1, null, { b: "c" }] };
    assert.deepEqual(await hub.invoke("EchoAny", any), any);
    assert.equal(await hub.invoke("EchoBytes", "AQID"), "AQID");
  });
});

fact("EchoThing fills what is missing with null and drops what it does not know", async () => {
  await withHub("/hubs/test", {}, async (hub) => {
    const nested = { key: "k", blob: "AQI=" };
    const thing = { name: "n", count: 1, flag: true, ratio: 0.5, items: [1, 2], nested };
    const echoed = await hub.invoke("EchoThing", { ...thing, unknown: 1 });
    assert.deepEqual(echoed, { ...thing, missing: null });
  });
});

fact("method names have no case", async () => {
  await withHub("/hubs/test", {}, async (hub) => {
    assert.equal(await hub.invoke("aDD", 2, 3), 5);
  });
});

fact("null and nothing are told apart from an error", async () => {
  await withHub("/hubs/test", {}, async (hub) => {
    assert.equal(await hub.invoke("ReturnNull"), null);
    assert.ok((await hub.invoke("ReturnVoid")) == null);
    assert.ok((await hub.invoke("ReturnTask")) == null);
  });
});

fact("invocations answer in the order in which they end", async () => {
  await withHub("/hubs/par", {}, async (hub) => {
    const slow = hub.invoke("DelayedEcho", "slow", 300);
    assert.equal(await hub.invoke("DelayedEcho", "quick", 0), "quick");
    assert.equal(await slow, "slow");
  });
});

fact("a record over the receive limit ends the connection", async () => {
  const hub = await started("/hubs/test", {});
  const closed = new Promise((resolve) => hub.onclose(resolve));
  await assert.rejects(hub.invoke("Length", "x".repeat(40_000)));
  assert.ok((await within(closed, "the close")) instanceof Error);
});

fact("/hubs/big takes 1 MB and gives it back", async () => {
  await withHub("/hubs/big", {}, async (hub) => {
    const text = "0123456789".repeat(100_000);
    assert.ok((await hub.invoke("Echo", text)) === text);
  });
});

// Errors, in .NET's words

for (const [what, method, args, text] of [
  ["an unknown method", "Nope", [],
    "Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist."],
  ["a HubException", "ThrowHubException", ["told you"],
    "An unexpected error occurred invoking 'ThrowHubException' on the server. " +
      "HubException: told you"],
  ["another exception", "ThrowOther", ["secret"],
    "An unexpected error occurred invoking 'ThrowOther' on the server."],
  ["too few arguments", "Add", [1], "Failed to invoke 'Add' due to an error on the server."],
  ["a wrong type", "Add", ["a", 1], "Failed to invoke 'Add' due to an error on the server."],
]) {
  fact(`${what} fails with its text`, async () => {
    await withHub("/hubs/test", {}, async (hub) => {
      await assert.rejects(hub.invoke(method, ...args), ({ message }) => {
        assert.equal(message, text);
        return true;
      });
      assert.equal(await hub.invoke("Add", 1, 1), 2, "the connection lives on");
    });
  });
}

for (const [what, method, args, text] of [
  ["another exception", "ThrowOther", ["m"], "InvalidOperationException: m"],
  ["too few arguments", "Add", [1],
    "InvalidDataException: Invocation provides 1 argument(s) but target expects 2."],
]) {
  fact(`/hubs/detail: ${what} fails with its details`, async () => {
    await withHub("/hubs/detail", {}, async (hub) => {
      await assert.rejects(hub.invoke(method, ...args), ({ message }) => message.endsWith(text));
    });
  });
}

// Streams

fact("CounterThrow gives its items, then the error", async () => {
  await withHub("/hubs/test", {}, async (hub) => {
    const items = [];
    await assert.rejects(streamed(hub, "CounterThrow", 3, "enough", items), /HubException: enough/);
    assert.deepEqual(items, [0, 1, 2]);
  });
});

fact("StreamThrowsAtOnce has no items", async () => {
  await withHub("/hubs/test", {}, async (hub) => {
    await assert.rejects(streamed(hub, "StreamThrowsAtOnce", "no"), /HubException: no/);
  });
});

fact("a cancelled stream ends on the server", async () => {
  await withHub("/hubs/par", {}, async (hub) => {
    const items = new Inbox();
    const subscription = hub.stream("Infinite", "cancelled", 10).subscribe({
      next: (item) => items.push(item),
      error: () => {},
      complete: () => {},
    });
    assert.deepEqual(await items.take(3), [0, 1, 2]);
    assert.equal(await hub.invoke("IsStreamAlive", "cancelled"), true);
    subscription.dispose();
    await eventually(async () => !(await hub.invoke("IsStreamAlive", "cancelled")));
  });
});

fact("uploads: one stream, one behind an argument, and one that is echoed", async () => {
  await withHub("/hubs/test", {}, async (hub) => {
    const [sum, words, echo] = [new Subject(), new Subject(), new Subject()];
    const summed = hub.invoke("UploadSum", sum);
    for (const number of [1, 2, 3]) sum.next(number);
    sum.complete();
    assert.equal(await summed, 6);

    const joined = hub.invoke("UploadConcat", "p", words);
    for (const word of ["a", "b"]) words.next(word);
    words.complete();
    assert.equal(await joined, "pab");

    const echoed = streamed(hub, "EchoStream", echo);
    echo.next("x");
    echo.next("y");
    echo.complete();
    assert.deepEqual(await echoed, ["echo:x", "echo:y"]);
  });
});

fact("an upload that fails is told to the method", async () => {
  await withHub("/hubs/test", {}, async (hub) => {
    const items = new Subject();
    const outcome = hub.invoke("UploadOutcome", items);
    items.next(1);
    items.error(new Error("broke"));
    assert.match(await outcome, /^failed: /);
  });
});

// Whom a message reaches

fact("groups: only who joined hears, and no longer once out", async () => {
  await withHubs(3, async ([ada, bob, eve]) => {
    await ada.invoke("JoinGroup", "g1");
    await bob.invoke("JoinGroup", "g1");
    await eve.invoke("SendToGroup", "g1", "tag", { n: 1 });
    await ada.invoke("SendToOthersInGroup", "g1", "others", 2);
    await bob.invoke("LeaveGroup", "g1");
    await eve.invoke("SendToGroup", "g1", "tag", 3);
    await Promise.all([ada, bob, eve].map((hub) => hub.invoke("SendToCaller", "end", 0)));
    assert.deepEqual(await ada.heard.upTo("end"), [["tag", { n: 1 }], ["tag", 3]]);
    assert.deepEqual(await bob.heard.upTo("end"), [["tag", { n: 1 }], ["others", 2]]);
    assert.deepEqual(await eve.heard.upTo("end"), []);
  });
});

fact("All, Others, AllExcept and Connections", async () => {
  await withHubs(2, async ([ada, bob]) => {
    await ada.invoke("SendToAll", "all", 1);
    await ada.invoke("SendToOthers", "others", 2);
    await ada.invoke("SendToAllExcept", [bob.connectionId], "except", 3);
    await ada.invoke("SendToConnection", bob.connectionId, "one", 4);
    await ada.invoke("SendToConnections", [bob.connectionId], "some", 5);
    await Promise.all([ada, bob].map((hub) => hub.invoke("SendToCaller", "end", 0)));
    assert.deepEqual(await ada.heard.upTo("end"), [["all", 1], ["except", 3]]);
    assert.deepEqual(await bob.heard.upTo("end"), [
      ["all", 1], ["others", 2], ["one", 4], ["some", 5],
    ]);
  }, "/hubs/par");
});

fact("a user is reached on each of his connections", async () => {
  const accessTokenFactory = () => "token-twice";
  const [first, second] = [
    await started("/hubs/test", { accessTokenFactory }),
    await started("/hubs/test", { accessTokenFactory }),
  ];
  await withHub("/hubs/test", {}, async (sender) => {
    await sender.invoke("SendToUser", "twice", "tag", 1);
    assert.deepEqual(await first.heard.next("the message"), ["tag", 1]);
    assert.deepEqual(await second.heard.next("the message"), ["tag", 1]);
  });
  await Promise.all([first.stop(), second.stop()]);
});

fact("POST /bar/send reaches a connection from outside", async () => {
  await withHub("/hubs/big", {}, async (hub) => {
    const message = { to: "connection", name: hub.connectionId, tag: "t", payload: { a: [1] } };
    const response = await fetch(server.http("/bar/send"), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(message),
    });
    assert.equal(response.status, 204);
    assert.deepEqual(await hub.heard.next("the message"), ["t", { a: [1] }]);
  });
});

fact("AskClient: the client's answer, and its error", async () => {
  await withHubs(2, async ([asker, asked]) => {
    asked.on("Answer", (question) => {
      if (question === "fail") throw new Error("no idea");
      return `I say ${question}`;
    });
    const answer = await asker.invoke("AskClient", asked.connectionId, "yes", 3_000);
    assert.equal(answer, "answer:I say yes");
    const failure = await asker.invoke("AskClient", asked.connectionId, "fail", 3_000);
    assert.match(failure, /^client error:/);
  });
});

fact("AskMe does not lock up while its invocation runs", async () => {
  await withHub("/hubs/test", {}, async (hub) => {
    hub.on("Answer", (question) => `${question}!`);
    assert.equal(await hub.invoke("AskMe", "me"), "answer:me!");
  });
});

fact("the server knows the connection's id, headers and query", async () => {
  const headers = { "X-Test": "seen" };
  await withHub("/hubs/test?colour=blue", { headers }, async (hub) => {
    assert.equal(await hub.invoke("GetConnectionId"), hub.connectionId);
    assert.equal(await hub.invoke("GetHeader", "x-test"), "seen");
    assert.equal(await hub.invoke("GetQuery", "colour"), "blue");
    assert.equal(await hub.invoke("GetQuery", "none"), null);
  });
});

// Ends

fact("Abort ends the connection, and its state is known", async () => {
  await withHub("/hubs/test", {}, async (watcher) => {
    const hub = await started("/hubs/test", {});
    const { connectionId } = hub;
    assert.equal(await watcher.invoke("ConnectionState", connectionId), "connected");
    const closed = new Promise((resolve) => hub.onclose(resolve));
    await hub.send("Abort");
    await within(closed, "the close");
    await eventually(async () => {
      return (await watcher.invoke("ConnectionState", connectionId)) !== "connected";
    });
  });
});

fact("a client that stops is gone `clean`", async () => {
  await withHub("/hubs/test", {}, async (watcher) => {
    const hub = await started("/hubs/test", {});
    const { connectionId } = hub;
    await hub.stop();
    await eventually(async () => {
      return (await watcher.invoke("ConnectionState", connectionId)) === "clean";
    });
    assert.equal(await watcher.invoke("ConnectionState", "nobody"), "unknown");
  });
});

fact("GET /bar/ready is 200", async () => {
  assert.equal((await fetch(server.http("/bar/ready"))).status, 200);
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

function build(path, options) {
  const hub = new HubConnectionBuilder()
    .withUrl(server.http(path), options)
    .configureLogging(LogLevel.None)
    .build();
  hub.heard = new Heard();
  hub.on("Receive", (tag, payload) => hub.heard.push([tag, payload]));
  return hub;
}

async function started(path, options) {
  const hub = build(path, options);
  await within(hub.start(), `${path} to connect`);
  return hub;
}

async function withHub(path, options, body) {
  const hub = await started(path, options);
  try {
    await body(hub);
  } finally {
    await hub.stop();
  }
}

async function withHubs(count, body, path = "/hubs/test") {
  const hubs = [];
  try {
    while (hubs.length < count) hubs.push(await started(path, {}));
    await body(hubs);
  } finally {
    await Promise.all(hubs.map((hub) => hub.stop()));
  }
}

/** The items of a stream once it has ended; its error is thrown. */
function streamed(hub, method, ...args) {
  const items = Array.isArray(args.at(-1)) ? args.pop() : [];
  const ended = new Promise((resolve, reject) => {
    hub.stream(method, ...args).subscribe({
      next: (item) => items.push(item),
      error: reject,
      complete: () => resolve(items),
    });
  });
  return within(ended, `the end of ${method}`);
}

/** Asks until the answer is yes: each question is a round trip, so this is no busy loop. */
async function eventually(isSo, limitMs = 10_000) {
  const end = Date.now() + limitMs;
  while (!(await isSo())) {
    assert.ok(Date.now() < end, `not so within ${limitMs} ms`);
  }
}

async function negotiate(path) {
  const url = server.http(`${path}/negotiate?negotiateVersion=1`);
  const response = await fetch(url, { method: "POST" });
  const text = await response.text();
  return { status: response.status, body: response.ok ? JSON.parse(text) : text };
}
