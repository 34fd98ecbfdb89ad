/** Long polls that are lost, and POSTs with and without a session: `--suite plain` by hand. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { statusOfPost } from "../ask-first.mjs";
import { within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const server = suite("plain");
let rooms = 0;
/** A room that no other test uses. */
const newRoom = () => `room-${process.pid}-${rooms++}`;

// Cursors

test("an answer that was lost comes again, as often as it is asked for", async () => {
  const room = newRoom();
  const first = await openPoll(room);
  await publish(room, "news", 1);
  const lost = await poll(first.cursor);
  await publish(room, "news", 2);
  assert.deepEqual(await poll(first.cursor), lost);
  assert.deepEqual(await poll(first.cursor), lost);
  assert.deepEqual(news(await poll(lost.at(-1).cursor)), [2]);
});

test("a poll that was aborted loses nothing", async () => {
  const room = newRoom();
  const { cursor } = await openPoll(room);
  for (let round = 0; round < 10; round++) {
    const stop = new AbortController();
    const aborted = fetch(pollUrl(cursor), { signal: stop.signal }).catch(() => {});
    stop.abort();
    await aborted;
  }
  await publish(room, "news", "kept");
  let heard = [];
  // One that was aborted may come late, and end this one as the newer: that moves no cursor.
  while (heard.length === 0) heard = news(await poll(cursor));
  assert.deepEqual(heard, ["kept"]);
});

test("a newer poll ends the older one, which moves no cursor", async () => {
  const room = newRoom();
  const { cursor } = await openPoll(room);
  // Which of the two comes first is not known: exactly one ends, and it brings nothing.
  const polls = [poll(cursor), poll(cursor)];
  const ended = await within(Promise.race(polls), "the older poll's end");
  assert.deepEqual(ended, [{ cursor }]);
  await publish(room, "news", "to the newer");
  const answers = await within(Promise.all(polls), "the newer poll");
  assert.deepEqual(answers.flatMap(news), ["to the newer"]);
});

test("an older cursor than the one before is gone", async () => {
  const room = newRoom();
  const { cursor } = await openPoll(room);
  let now = cursor;
  for (let number = 0; number < 3; number++) {
    await publish(room, "news", number);
    now = (await poll(now)).at(-1).cursor;
  }
  assert.equal((await fetch(pollUrl(cursor))).status, 410);
});

test("a room named in each poll is joined once", async () => {
  const room = newRoom();
  const { cursor } = await openPoll(room);
  await publish(room, "news", "once");
  const response = await fetch(`${pollUrl(cursor)}&room=${room}`);
  const envelopes = await response.json();
  assert.deepEqual(news(envelopes), ["once"]);
  await publish(room, "news", "twice");
  assert.deepEqual(news(await poll(envelopes.at(-1).cursor)), ["twice"]);
});

test("poll answers are JSON that nobody caches", async () => {
  const response = await fetch(server.http(`/poll/chat?room=${newRoom()}`));
  assert.match(response.headers.get("content-type"), /^application\/json/);
  assert.match(response.headers.get("cache-control"), /no-store/);
});

// POSTs

test("a call by POST without a session is answered", async () => {
  const { status, body } = await send('{"event":"echo","args":["a",1],"id":"x"}');
  assert.equal(status, 200);
  assert.deepEqual(body, [{ reply: "x", result: ["a", 1] }]);
});

test("what is said by POST without a session reaches the room", async () => {
  const room = newRoom();
  const { cursor } = await openPoll(room);
  const { body } = await send(JSON.stringify({ event: "say", args: [room, "hi"], id: 1 }));
  assert.deepEqual(body, [{ reply: 1, result: "delivered" }]);
  const heard = (await poll(cursor)).find(({ event }) => event === "said");
  assert.equal(heard.args[1], "hi");
});

test("an event by POST with a session is that session's", async () => {
  const { cursor, session } = await openPoll(newRoom());
  const { body } = await send('{"event":"message","args":["to myself"]}', session);
  assert.deepEqual(body, []);
  const heard = (await poll(cursor)).find(({ event }) => event === "message");
  assert.deepEqual(heard.args, ["to myself"]);
});

test("joining and leaving by POST is answered there, and takes effect", async () => {
  const [room, other] = [newRoom(), newRoom()];
  const { cursor, session } = await openPoll(room);
  const joined = await send(JSON.stringify({ join: other, id: "j" }), session);
  assert.deepEqual(joined.body, [{ reply: "j", result: null }]);
  await publish(other, "news", "in the other");
  const heard = await poll(cursor);
  assert.deepEqual(news(heard), ["in the other"]);
  const left = await send(JSON.stringify({ leave: other, id: "l" }), session);
  assert.deepEqual(left.body, [{ reply: "l", result: null }]);
  await publish(other, "news", "unheard");
  await publish(room, "news", "heard");
  assert.deepEqual(news(await poll(heard.at(-1).cursor)), ["heard"]);
});

test("an unhandled call in an array is told so, and the others are answered", async () => {
  const { body } = await send(
    '[{"event":"nobody","id":1},{"event":"echo","args":[2],"id":2},{"ping":3}]',
  );
  assert.equal(body[0].error.code, "not_found");
  assert.deepEqual(body.slice(1), [{ reply: 2, result: 2 }, { pong: 3 }]);
});

test("a lone surrogate survives the way from POST to poll", async () => {
  const room = newRoom();
  const { cursor } = await openPoll(room);
  await send(`{"event":"say","args":["${room}","a\\ud800b"],"id":1}`);
  const heard = (await poll(cursor)).find(({ event }) => event === "said");
  assert.equal(heard.args[1], "a\ud800b");
});

test("bodies over the limit are 413", async () => {
  assert.equal(await statusOfPost(server.http("/send/chat"), 5 << 20), 413);
});

test("the session of one client is no cursor of another's kind", async () => {
  const response = await fetch(server.http("/sse/chat?session=nobody"));
  assert.equal(response.status, 404);
});

test("history has each event's name, arguments and place", async () => {
  const room = newRoom();
  await publish(room, "news", "a\ud800b", { n: 1 });
  await publish(room, "more");
  const history = await (await fetch(server.http(`/bar/history?room=${room}`))).json();
  assert.deepEqual(history.map(({ event, args }) => ({ event, args })), [
    { event: "news", args: ["a\ud800b", { n: 1 }] },
    { event: "more", args: [] },
  ]);
  assert.equal(history[1].offset, history[0].offset + 1);
  assert.equal(history[1].epoch, history[0].epoch);
});

test("broken publications are refused", async () => {
  for (const body of ["", "{", '{"room":1}', '{"room":"r","event":"e","args":{}}']) {
    const headers = { "Content-Type": "application/json" };
    const options = { method: "POST", headers, body };
    const { status } = await fetch(server.http("/bar/publish"), options);
    assert.ok(status >= 400 && status < 500, `${body}: ${status}`);
  }
});

const pollUrl = (cursor) => server.http(`/poll/chat?cursor=${encodeURIComponent(cursor)}`);

/** The first poll: its session and its cursor. */
async function openPoll(room) {
  const response = await fetch(server.http(`/poll/chat?room=${room}`));
  const envelopes = await response.json();
  return { session: envelopes[0].open.session, cursor: envelopes.at(-1).cursor };
}

async function poll(cursor) {
  const response = await within(fetch(pollUrl(cursor)), "a poll");
  assert.equal(response.status, 200);
  return response.json();
}

/** The first arguments of the events `news`. */
function news(envelopes) {
  return envelopes.filter(({ event }) => event === "news").map(({ args }) => args[0]);
}

async function publish(room, event, ...args) {
  const response = await fetch(server.http("/bar/publish"), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ room, event, args }),
  });
  assert.equal(response.status, 204, await response.text());
}

async function send(body, session) {
  const query = session === undefined ? "" : `?session=${encodeURIComponent(session)}`;
  const headers = { "Content-Type": "application/json" };
  const options = { method: "POST", headers, body };
  const response = await fetch(server.http(`/send/chat${query}`), options);
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  return { status: response.status, body: isJson ? JSON.parse(text) : text };
}
