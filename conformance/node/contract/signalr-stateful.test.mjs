/**
 * `omniwire conformance --suite signalr`: stateful reconnect, record by record, over bare
 * WebSockets.
 */

import assert from "node:assert/strict";

import { within } from "../wait.mjs";
import { CLOSED_WITH_ERROR, Line } from "./signalr-line.mjs";
import { suite } from "./suite.mjs";

const server = suite("signalr");
const { fact } = server;

const RECEIVE = ({ type, target }) => type === 1 && target === "Receive";

fact("negotiate grants it to who asks, where it is allowed, and never else", async () => {
  const asked = "negotiateVersion=1&useStatefulReconnect=true";
  assert.equal((await negotiate("/hubs/test", asked)).useStatefulReconnect, true);
  assert.equal((await negotiate("/hubs/test", asked.toUpperCase())).useStatefulReconnect, true);
  for (const [path, query] of [
    ["/hubs/test", "negotiateVersion=1"], ["/hubs/big", asked], ["/hubs/wsonly", asked],
    ["/hubs/test", "negotiateVersion=1&useStatefulReconnect=false"],
  ]) {
    assert.ok(!("useStatefulReconnect" in await negotiate(path, query)), `${path} ${query}`);
  }
});

fact("each way begins again with a Sequence and what was not acknowledged", async () => {
  const { token, line } = await opened();
  line.call("1", "Record", "again", 1);
  await line.next("the answer");
  line.call("2", "StartPush", 3, 1);
  const answers = [];
  for (let count = 0; count < 4; count += 1) answers.push(await line.next("an answer or a push"));
  line.say({ type: 8, sequenceId: 1 });
  // The Ack is on its way before the line breaks.
  line.say({ type: 6 });
  line.call("3", "Echo", "last");
  await line.next("the answer", ({ invocationId }) => invocationId === "3");
  line.drop();
  const again = await back(token);
  assert.deepEqual(await again.next("the Sequence"), { type: 9, sequenceId: 2 });
  for (const answer of answers) assert.deepEqual(await again.next("a copy"), answer);
  assert.equal((await again.next("the last copy")).result, "last");
  again.say({ type: 9, sequenceId: 1 });
  again.call("1", "Record", "again", 1);
  again.call("2", "StartPush", 3, 1);
  again.call("3", "Echo", "last");
  again.call("4", "GetRecorded", "again");
  const { result } = await again.next("the record", ({ invocationId }) => invocationId === "4");
  assert.deepEqual(result, [1]);
  assert.deepEqual(again.drain().filter(RECEIVE), []);
  again.close();
});

fact("an Ack comes within two seconds of what is new, and covers all of it", async () => {
  const { line } = await opened();
  const began = Date.now();
  for (const id of ["1", "2", "3"]) line.call(id, "Echo", id);
  const ack = await line.next("the Ack", ({ type }) => type === 8);
  assert.deepEqual(ack, { type: 8, sequenceId: 3 });
  assert.ok(Date.now() - began < 5_000);
  line.close();
});

fact("a new line takes over an old one that still looks open", async () => {
  const { token, line } = await opened();
  line.call("1", "GetConnectionId");
  const { result: id } = await line.next("the id");
  line.call("2", "StartPush", 40, 25);
  await line.next("the first push", RECEIVE);
  const again = await back(token);
  assert.deepEqual(await again.next("the Sequence"), { type: 9, sequenceId: 1 });
  again.say({ type: 9, sequenceId: 3 });
  const pushed = [];
  while (pushed.length < 40) pushed.push((await again.next("a push", RECEIVE)).arguments[1]);
  assert.deepEqual(pushed, Array.from({ length: 40 }, (_, number) => number));
  again.call("3", "GetConnectionId");
  assert.equal((await again.next("the id", ({ invocationId }) => invocationId === "3")).result, id);
  await within(line.closed, "the end of the old line");
  again.close();
});

fact("a call that runs while the line breaks is answered on the next one", async () => {
  const { token, line } = await opened();
  line.call("1", "DelayedEcho", "late", 500);
  line.call("2", "Echo", "later");
  line.say({ type: 6 });
  await line.sent();
  line.drop();
  const again = await back(token);
  again.say({ type: 9, sequenceId: 1 });
  again.call("1", "DelayedEcho", "late", 500);
  again.call("2", "Echo", "later");
  const results = [];
  while (results.length < 2) {
    results.push((await again.next("an answer", ({ type }) => type === 3)).result);
  }
  assert.deepEqual(results, ["late", "later"]);
  again.close();
});

fact("over 100000 bytes that are not acknowledged, the rest is held back", async () => {
  const { token, line } = await opened();
  for (let id = 1; id <= 12; id += 1) line.call(String(id), "BigString", 20_000);
  const held = [];
  for (let count = 0; count < 5; count += 1) held.push((await line.next("an answer")).invocationId);
  assert.deepEqual(held, ["1", "2", "3", "4", "5"]);
  // Pings and Acks are not held back: the next ones come, and no answer with them.
  assert.equal((await line.next("the Ack")).type, 8);
  line.drop();
  const again = await back(token);
  assert.deepEqual(await again.next("the Sequence"), { type: 9, sequenceId: 1 });
  again.say({ type: 9, sequenceId: 13 });
  for (let id = 1; id <= 5; id += 1) await again.next("a copy", ({ type }) => type === 3);
  again.say({ type: 8, sequenceId: 5 });
  const rest = [];
  while (rest.length < 5) {
    rest.push((await again.next("the rest", ({ type }) => type === 3)).invocationId);
  }
  assert.deepEqual(rest, ["6", "7", "8", "9", "10"]);
  again.close();
});

fact("a Sequence beyond what was sent ends the connection", async () => {
  const { token, line } = await opened();
  line.drop();
  const again = await back(token);
  again.say({ type: 9, sequenceId: 5 });
  assert.deepEqual(await again.next("the end", ({ type }) => type === 7), CLOSED_WITH_ERROR);
  assert.equal(await within(again.closed, "the end"), 1000);
});

fact("a Close message, or a clean close, ends it at once", async () => {
  const observer = await opened();
  for (const leave of [(line) => line.say({ type: 7 }), (line) => line.close()]) {
    const { token, line } = await opened();
    line.call("1", "GetConnectionId");
    const { result: id } = await line.next("the id");
    leave(line);
    await within(line.closed, "the end");
    let state = "connected";
    for (let question = 0; state === "connected"; question += 1) {
      observer.line.call(`${id} ${question}`, "ConnectionState", id);
      const is = `${id} ${question}`;
      const answer = await observer.line.next("it", ({ invocationId }) => invocationId === is);
      state = answer.result;
    }
    assert.equal(state, "clean");
    await assert.rejects(back(token), /404/);
  }
  observer.line.close();
});

fact("who does not come back within 15 s is gone: 404", async () => {
  const observer = await opened();
  const { token, line } = await opened();
  line.call("1", "GetConnectionId");
  const { result: id } = await line.next("the id");
  line.drop();
  const began = Date.now();
  for (let question = 0; ; question += 1) {
    observer.line.call(`q${question}`, "DelayedEcho", "", 500);
    observer.line.call(`s${question}`, "ConnectionState", id);
    const is = `s${question}`;
    const { result } = await observer.line.next("it", (record) => record.invocationId === is);
    if (result !== "connected") break;
    assert.ok(Date.now() - began < 25_000);
  }
  assert.ok(Date.now() - began > 14_000);
  await assert.rejects(back(token), /404/);
  observer.line.close();
});

fact("who did not ask for it: a second WebSocket is 409", async () => {
  const { connectionToken } = await negotiate("/hubs/test", "negotiateVersion=1");
  const line = await back(connectionToken);
  await line.shakeHands();
  await assert.rejects(back(connectionToken), /409/);
  line.close();
});

async function negotiate(path, query) {
  const answer = await fetch(server.http(`${path}/negotiate?${query}`), { method: "POST" });
  return answer.json();
}

async function opened() {
  const query = "negotiateVersion=1&useStatefulReconnect=true";
  const { connectionToken: token } = await negotiate("/hubs/test", query);
  const line = await Line.bare(server.ws(`/hubs/test?id=${token}`), { all: false });
  await line.shakeHands(2);
  return { token, line };
}

/** A new line of a connection, or one that has yet to shake hands. */
function back(token) {
  return Line.bare(server.ws(`/hubs/test?id=${token}`), { all: false, shaken: true });
}
