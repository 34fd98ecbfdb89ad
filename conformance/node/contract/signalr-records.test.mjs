/**
 * `omniwire conformance --suite signalr`: the hub protocol record by record, over bare WebSockets.
 * What is bad gets ASP.NET Core's answer, and ends one connection at most.
 */

import assert from "node:assert/strict";

import { within } from "../wait.mjs";
import { CLOSED_WITH_ERROR, Line, SEPARATOR, packed } from "./signalr-line.mjs";
import { suite } from "./suite.mjs";

const server = suite("signalr");
const { fact } = server;

const open = (hub = "test", options) => Line.open(server.ws(`/hubs/${hub}`), options);
const bare = (hub = "test", options) => Line.bare(server.ws(`/hubs/${hub}`), options);

// The handshake

const HANDSHAKE_FAILED = "An unexpected error occurred during connection handshake.";
const tooOld = (version, name) =>
  `The server does not support version ${version} of the '${name}' protocol.`;

for (const [what, request, error] of [
  ["an unknown protocol", '{"protocol":"xml","version":1}', "The protocol 'xml' is not supported."],
  ["an unknown version", '{"protocol":"json","version":99}', tooOld(99, "json")],
  ["the same of messagepack", '{"protocol":"messagepack","version":3}', tooOld(3, "messagepack")],
  ["no JSON", "hello", HANDSHAKE_FAILED],
  ["nothing", "", HANDSHAKE_FAILED],
  ["an array", "[]", HANDSHAKE_FAILED],
  ["no protocol", '{"version":1}', HANDSHAKE_FAILED],
  ["no version", '{"protocol":"json"}', HANDSHAKE_FAILED],
  ["a version that is a text", '{"protocol":"json","version":"1"}', HANDSHAKE_FAILED],
  ["a protocol that is a number", '{"protocol":1,"version":1}', HANDSHAKE_FAILED],
  ["a hub message", '{"type":6}', HANDSHAKE_FAILED],
  ["over the size limit, without an end", "x".repeat(33_000), "Handshake was canceled."],
]) {
  fact(`a handshake with ${what} is refused`, async () => {
    const line = await bare();
    line.send(request + (request.length > 32_768 ? "" : SEPARATOR));
    assert.deepEqual(await line.next("the refusal"), { error });
    assert.equal(await within(line.closed, "the end"), 1000);
  });
}

fact("/hubs/detail tells what is wrong with a handshake", async () => {
  const line = await bare("detail");
  line.send(`{"version":1}${SEPARATOR}`);
  const { error } = await line.next("the refusal");
  assert.match(error, /^An unexpected error occurred during connection handshake\. InvalidData/);
});

fact("a handshake may have other members in any order, blanks, and versions 0 to 2", async () => {
  for (const request of [
    '{"version":1,"more":[1,{}],"protocol":"json"}', ' { "protocol" : "json", "version":0 } \n',
    '{"protocol":"json","version":2}', '{"protocol":"JSON","version":1}',
    '{"protocol":"json","version":-1}',
  ]) {
    const line = await bare();
    line.send(request + SEPARATOR);
    assert.deepEqual(await line.next("the handshake"), {}, request);
    line.call("1", "Add", 1, 1);
    assert.equal((await line.answer("1")).result, 2);
    line.close();
  }
});

fact("a handshake may come octet by octet, and glued to what follows", async () => {
  const hello = `{"protocol":"json","version":1}${SEPARATOR}`;
  const call = '{"type":1,"invocationId":"1","target":"Echo","arguments":["glued"]}' + SEPARATOR;
  const slow = await bare();
  for (const octet of hello + call) slow.send(octet);
  const glued = await bare();
  glued.send(hello + call + call.slice(0, 10));
  glued.send(call.slice(10));
  for (const line of [slow, glued]) {
    assert.deepEqual(await line.next("the handshake"), {});
    assert.equal((await line.answer("1")).result, "glued");
  }
  assert.equal((await glued.answer("1")).result, "glued");
  // MessagePack too begins with JSON, and goes on within the same frame.
  const binary = await bare("test", { protocol: "messagepack" });
  const packedCall = packed([1, {}, "1", "Echo", ["glued"]]);
  binary.send(Buffer.concat([Buffer.from(hello.replace("json", "messagepack")), packedCall]));
  assert.deepEqual(await binary.next("the handshake"), {});
  assert.equal((await binary.answer("1")).result, "glued");
  slow.close();
  glued.close();
  binary.close();
});

// Records and frames

for (const protocol of ["json", "messagepack"]) {
  const isText = protocol === "json";
  const message = (type, id, ...rest) =>
    isText
      ? { type, invocationId: id, target: rest[0], arguments: rest[1] }
      : [type, {}, id, ...rest];
  const bytes = (...records) =>
    isText
      ? Buffer.from(records.map((record) => JSON.stringify(record) + SEPARATOR).join(""))
      : Buffer.concat(records.map(packed));

  fact(`${protocol}: a record may be cut at any octet, and share its frame`, async () => {
    const line = await open("test", { protocol });
    const all = bytes(message(1, "a", "Echo", ["ä漢😀"]), message(1, "b", "Add", [1, 2]));
    for (let at = 1; at < all.length; at += 1) {
      line.send(all.subarray(0, at));
      line.send(all.subarray(at));
      assert.equal((await line.answer("a")).result, "ä漢😀");
      assert.equal((await line.answer("b")).result, 3);
    }
    // Frames of the other kind mean the same.
    if (isText) line.send(bytes(message(1, "c", "Echo", ["text"])).toString());
    if (isText) assert.equal((await line.answer("c")).result, "text");
    line.close();
  });

  fact(`${protocol}: 32768 bytes are a record, one more ends the connection`, async () => {
    const sized = (len) => {
      const bare = bytes(message(1, "1", "Length", ["x".repeat(30_000)])).length;
      const record = bytes(message(1, "1", "Length", ["x".repeat(30_000 + len - bare)]));
      assert.equal(record.length, len);
      return record;
    };
    const line = await open("test", { protocol });
    line.send(sized(32_768));
    assert.ok((await line.answer("1")).result > 30_000);
    line.send(sized(32_769));
    assert.deepEqual(await line.next("the Close"), CLOSED_WITH_ERROR);
    assert.equal(await within(line.closed, "the end"), 1000);
    const endless = await open("test", { protocol });
    endless.send(sized(32_769).subarray(0, 32_768));
    endless.send("x");
    assert.deepEqual(await endless.next("the Close"), CLOSED_WITH_ERROR);
  });

  fact(`${protocol}: types that nobody knows are ignored, and what is too many`, async () => {
    const line = await open("test", { protocol });
    for (const type of [0, 10, 99, -1, 2 ** 31 - 1]) {
      line.say(isText ? { type, more: { a: [1] } } : [type, {}, "x", [1]]);
    }
    if (isText) line.say({ ...message(1, "1", "Add", [1, 1]), more: [{}], extension: null });
    else line.say([...message(1, "1", "Add", [1, 1]), [], "more", { a: 1 }]);
    assert.equal((await line.answer("1")).result, 2);
    line.close();
  });

  fact(`${protocol}: items, ends and cancellations of unknown ids are ignored`, async () => {
    const line = await open("test", { protocol });
    for (const id of ["none", "s1", "s99999999", "s18446744073709551616", ""].slice(0, 4)) {
      if (isText) line.say({ type: 2, invocationId: id, item: 1 }, { type: 5, invocationId: id });
      else line.say([2, {}, id, 1], [5, {}, id]);
      if (isText) line.say({ type: 3, invocationId: id, result: 1 });
      else line.say([3, {}, id, 3, 1]);
    }
    line.call("1", "Add", 1, 1);
    assert.equal((await line.answer("1")).result, 2);
    line.close();
  });

  fact(`${protocol}: an id is any text, and comes back as it was`, async () => {
    const line = await open("test", { protocol });
    for (const id of [" ", "0", "ä\"\\\u0001", "x".repeat(1000), "__proto__", "s1"]) {
      line.call(id, "Add", 1, 1);
      assert.equal((await line.answer(id)).result, 2);
    }
    line.close();
  });

  fact(`${protocol}: what has no id is not answered, whatever comes of it`, async () => {
    const line = await open("test", { protocol });
    const calls = [["Add", [1, 1]], ["Nope", []], ["Add", ["x"]], ["ThrowOther", ["x"]]];
    for (const [target, args] of calls) {
      line.say(isText ? { type: 1, target, arguments: args } : [1, {}, null, target, args]);
      line.say(
        isText ? { type: 1, invocationId: "", target, arguments: args } : [1, {}, "", target, args],
      );
    }
    line.call("last", "Add", 1, 1);
    assert.equal((await line.next("an answer")).invocationId, "last");
    line.close();
  });

  fact(`${protocol}: nothing and null are results, also of a call that is not awaited`, async () => {
    const line = await open("test", { protocol });
    for (const method of ["ReturnNull", "ReturnVoid", "ReturnTask"]) {
      line.call("1", method);
      assert.deepEqual(await line.answer("1"), { type: 3, invocationId: "1", result: null });
    }
    line.close();
  });

  fact(`${protocol}: headers are strings; others end the connection`, async () => {
    const line = await open("test", { protocol });
    const headers = { traceparent: "00-1", other: "x" };
    line.say(
      isText ? { headers, ...message(1, "1", "Add", [1, 1]) } : [1, headers, "1", "Add", [1, 1]],
    );
    assert.equal((await line.answer("1")).result, 2);
    const wrong = { other: 1 };
    line.say(
      isText
        ? { headers: wrong, ...message(1, "2", "Add", [1, 1]) }
        : [1, wrong, "2", "Add", [1, 1]],
    );
    assert.deepEqual(await line.next("the Close"), CLOSED_WITH_ERROR);
  });

  fact(`${protocol}: a Close of the client is answered by one, without an error`, async () => {
    for (const close of isText
      ? [{ type: 7 }, { type: 7, error: "e", allowReconnect: true }]
      : [[7], [7, null], [7, "e", true]]) {
      const line = await open("test", { protocol });
      line.say(close);
      const { type, error, allowReconnect } = await line.next("the Close");
      assert.deepEqual([type, error, allowReconnect ?? false], [7, undefined, false]);
      assert.equal(await within(line.closed, "the end"), 1000);
    }
  });

  fact(`${protocol}: an abort ends with a Close that has no error, and no answer`, async () => {
    const line = await open("test", { protocol });
    line.call("1", "Abort");
    const { type, error, allowReconnect } = await line.next("the Close");
    assert.deepEqual([type, error, allowReconnect ?? false], [7, undefined, false]);
    assert.equal(await within(line.closed, "the end"), 1000);
  });

  fact(`${protocol}: four calls run at once where four may, and the fifth waits`, async () => {
    const line = await open("par", { protocol });
    const began = performance.now();
    for (const id of ["1", "2", "3", "4"]) line.call(id, "DelayedEcho", id, 1_000);
    line.call("5", "Echo", "5");
    line.say(isText ? { type: 4, invocationId: "s", target: "Counter", arguments: [1, 0] }
      : [4, {}, "s", "Counter", [1, 0]]);
    const order = [];
    while (order.length < 6) {
      const { type, invocationId } = await line.next("an answer");
      if (type === 3) order.push(invocationId);
    }
    // One after the other they take 4 s.
    assert.ok(performance.now() - began < 3_500);
    assert.deepEqual(new Set(order.slice(0, 4)).has("5") && order.indexOf("5") < 1, false);
    line.close();
  });

  fact(`${protocol}: arguments that nest without end fail one call, or one connection`, async () => {
    const other = await open("test", { protocol });
    const line = await open("test", { protocol });
    const depth = 10_000;
    if (isText) {
      const deep = "[".repeat(depth) + "]".repeat(depth);
      line.send(`{"type":1,"invocationId":"1","target":"EchoAny","arguments":[${deep}]}${SEPARATOR}`);
      assert.deepEqual(await line.next("the Close"), CLOSED_WITH_ERROR);
    } else {
      const head = [0x95, 1, 0x80, 0xa1, 0x31, 0xa7, ...Buffer.from("EchoAny"), 0x91];
      line.send(packed(Uint8Array.from([...head, ...Array(depth).fill(0x91), 0xc0])));
      const { error } = await line.answer("1");
      assert.equal(error, "Failed to invoke 'EchoAny' due to an error on the server.");
    }
    other.call("1", "Add", 1, 1);
    assert.equal((await other.answer("1")).result, 2);
    other.close();
    line.close();
  });

  fact(`${protocol}: the answer to a call that another connection got cuts its sender off`, async () => {
    const [asked, thief] = [await open("test", { protocol }), await open("test", { protocol })];
    asked.call("1", "AskMe", "?");
    const { invocationId } = await asked.next("the question", ({ target }) => target === "Answer");
    assert.match(invocationId, /^s[1-9]\d*$/);
    const result = (value) =>
      isText ? { type: 3, invocationId, result: value } : [3, {}, invocationId, 3, value];
    thief.say(result("stolen"));
    assert.deepEqual(await thief.next("the Close"), CLOSED_WITH_ERROR);
    assert.equal(await within(thief.closed, "the end"), 1000);
    asked.say(result("own"));
    assert.equal((await asked.answer("1")).result, "answer:own");
    // What is answered twice, or too late, is nobody's.
    asked.say(result("again"));
    asked.call("2", "Add", 1, 1);
    assert.equal((await asked.answer("2")).result, 2);
    const late = await open("test", { protocol });
    late.say(result("late"));
    late.call("2", "Add", 1, 1);
    assert.equal((await late.answer("2")).result, 2);
    asked.close();
    late.close();
  });
}

// What breaks the protocol

const call = (members) => `{"type":1,"invocationId":"1","target":"Echo",${members}}`;
for (const [what, text] of Object.entries({
  "an empty record": "",
  "an object without a type": "{}",
  "an array": "[]",
  "null": "null",
  "no JSON": "hello",
  "a byte order mark": '\ufeff{"type":6}',
  "a comment": '{"type":6/**/}',
  "a trailing comma": '{"type":6,}',
  "a type that is a text": '{"type":"1"}',
  "a type with a point": '{"type":1.0,"target":"Echo","arguments":[]}',
  "a type beyond 32 bits": '{"type":4294967297}',
  "no target": '{"type":1,"arguments":[]}',
  "no arguments": '{"type":1,"target":"Echo"}',
  "arguments that are an object": call('"arguments":{}'),
  "arguments that are null": call('"arguments":null'),
  "a target that is a number": '{"type":1,"target":1,"arguments":[]}',
  "an id that is a number": '{"type":1,"invocationId":1,"target":"Echo","arguments":["a"]}',
  "an id that is null": '{"type":1,"invocationId":null,"target":"Echo","arguments":["a"]}',
  "stream ids that are a text": call('"arguments":[],"streamIds":"a"'),
  "a result and an error": '{"type":3,"invocationId":"1","result":1,"error":"e"}',
  "a call for a stream without an id": '{"type":4,"target":"Counter","arguments":[1,0]}',
  "a cancellation without an id": '{"type":5}',
  "an item without an id": '{"type":2,"item":1}',
  "a completion without an id": '{"type":3,"result":1}',
  "control characters in a text": call('"arguments":["\u0001"]'),
  "an Ack without a number": '{"type":8}',
})) {
  fact(`json: ${what} ends the connection, which may come back`, async () => {
    const line = await open();
    line.send(text + SEPARATOR);
    assert.deepEqual(await line.next("the Close"), CLOSED_WITH_ERROR);
    assert.equal(await within(line.closed, "the end"), 1000);
  });
}

for (const [what, text] of Object.entries({
  "blanks before the separator": `${call('"arguments":["a"]')} \r\n\t`,
  "arguments before the target":
    '{"arguments":["a"],"invocationId":"1","target":"Echo","type":1}',
  "two types, of which the last counts":
    '{"type":6,"type":1,"invocationId":"1","target":"Echo","arguments":["a"]}',
  "escapes in names": '{"\\u0074ype":1,"invocationId":"1","target":"\\u0045cho","arguments":["a"]}',
  "members in other spelling": call('"Type":6,"arguments":["a"]'),
})) {
  fact(`json: ${what} is fine`, async () => {
    const line = await open();
    line.send(text + SEPARATOR);
    assert.equal((await line.answer("1")).result, "a");
    line.close();
  });
}

fact("json: an empty target is no method, and no error of the protocol", async () => {
  const line = await open();
  line.say({ type: 1, invocationId: "1", target: "", arguments: [] });
  const { error } = await line.answer("1");
  const text = "Failed to invoke '' due to an error on the server. " +
    "HubException: Method does not exist.";
  assert.equal(error, text);
  line.close();
});

for (const [what, octets] of Object.entries({
  "a length without an end": [0x80, 0x80, 0x80, 0x80, 0x80],
  "a length beyond 31 bits": [0xff, 0xff, 0xff, 0xff, 0x0f],
  "an empty record": [0],
  "no array": packed({ a: 1 }),
  "a type that is a text": packed(["1"]),
  "too few items": packed([1, {}, "1", "Echo"]),
  "headers that are an array": packed([1, [], "1", "Echo", ["a"]]),
  "an id that is a number": packed([1, {}, 1, "Echo", ["a"]]),
  "a target that is nil": packed([1, {}, "1", null, ["a"]]),
  "an unknown kind of result": packed([3, {}, "1", 9, 1]),
  "a cancellation without an id": packed([5, {}, null]),
  "a count that lies": [6, 0xdd, 0xff, 0xff, 0xff, 0xff, 1],
})) {
  fact(`messagepack: ${what} ends the connection, which may come back`, async () => {
    const line = await open("test", { protocol: "messagepack" });
    line.send(Buffer.from(octets));
    assert.deepEqual(await line.next("the Close"), CLOSED_WITH_ERROR);
    assert.equal(await within(line.closed, "the end"), 1000);
  });
}

fact("messagepack: a ping is the octets 2, 0x91, 6, and integers may be as wide as they like", async () => {
  const line = await open("fast", { protocol: "messagepack" });
  await line.next("a ping", ({ type }) => type === 6);
  const wide = (value) => [0xcf, 0, 0, 0, 0, 0, 0, 0, value];
  const echo = [...Buffer.from("Add")];
  const body = [0xdc, 0, 5, ...wide(1), 0x80, 0xa1, 0x31, 0xd9, 3, ...echo, 0x92, ...wide(1)];
  const minusTwo = [0xd3, ...Array(7).fill(0xff), 0xfe];
  line.send(packed(Uint8Array.from([...body, ...minusTwo])));
  assert.equal((await line.answer("1")).result, -1);
  line.close();
});

// With details

for (const [what, text, detail] of [
  ["no JSON", "hello", "InvalidDataException: Error reading JSON."],
  ["no type", "{}", "InvalidDataException: Missing required property 'type'."],
  ["no target", '{"type":1,"arguments":[]}',
    "InvalidDataException: Missing required property 'target'."],
  ["a record that is too long", "x".repeat(33_000),
    "InvalidDataException: The maximum message size of 32768B was exceeded. " +
      "The message size can be configured in AddHubOptions."],
]) {
  fact(`/hubs/detail tells why it ends: ${what}`, async () => {
    const line = await open("detail");
    line.send(text + SEPARATOR);
    const error = `Connection closed with an error. ${detail}`;
    assert.deepEqual(await line.next("the Close"), { type: 7, error, allowReconnect: true });
  });
}
