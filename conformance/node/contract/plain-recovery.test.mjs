/** What a client that comes back is given, over each carrier: `--suite plain` and `--suite sockjs`. */

import assert from "node:assert/strict";
import { test } from "node:test";
import WebSocket from "ws";

import { startSuite } from "../server.mjs";
import { Inbox, within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const server = suite("plain");
let rooms = 0;
/** A room that no other test uses, with a name that must be escaped everywhere. */
const newRoom = () => `room ~&"é.${process.pid}-${rooms++}`;

// Event streams

test("event stream: a client that comes back is told so, then gets what it missed", async () => {
  const room = newRoom();
  const first = await EventStream.open(`room=${encodeURIComponent(room)}`);
  assert.equal((await first.resume()).resume, "new");
  await publish(room, 1, 2);
  assert.equal((await first.news(2)).at(-1), 2);
  first.abort();
  await publish(room, 3, 4);
  const back = await EventStream.open(`room=${encodeURIComponent(room)}`, first.lastEventId);
  const resume = await back.resume();
  assert.deepEqual([resume.resume, resume.room, resume.offset], ["recovered", room, 2]);
  await publish(room, 5);
  assert.deepEqual(await back.news(3), [3, 4, 5]);
  back.abort();
});

test("event stream: a cut before the first event loses none", async () => {
  const room = newRoom();
  const first = await EventStream.open(`room=${encodeURIComponent(room)}`);
  await first.resume();
  first.abort();
  await publish(room, 1);
  const query = `room=${encodeURIComponent(room)}&last_event_id=${first.lastEventId}`;
  const back = await EventStream.open(query);
  assert.equal((await back.resume()).resume, "recovered");
  assert.deepEqual(await back.news(1), [1]);
  back.abort();
});

test("event stream: the id of several rooms brings back each", async () => {
  const [a, b] = [newRoom(), newRoom()];
  const query = `room=${encodeURIComponent(a)}&room=${encodeURIComponent(b)}`;
  const first = await EventStream.open(query);
  await first.resume();
  await first.resume();
  await publish(a, "a1");
  await publish(b, "b1");
  await publish(a, "a2");
  assert.deepEqual(await first.news(3), ["a1", "b1", "a2"]);
  first.abort();
  await publish(b, "b2", "b3");
  await publish(a, "a3");
  const back = await EventStream.open(query, first.lastEventId);
  assert.deepEqual((await back.news(3)).sort(), ["a3", "b2", "b3"]);
  back.abort();
});

for (const [why, id] of [
  ["too old", async (first) => first],
  ["of another epoch", async (first) => first.replace(/^\d+/, (epoch) => (epoch ^ 1) >>> 0)],
  ["of another server", async () => "42"],
  ["never given out", async (first) => first.replace(/\.\d+\./, ".1000000.")],
]) {
  test(`event stream: an id that is ${why} brings the word that all is lost`, async () => {
    const room = newRoom();
    const first = await EventStream.open(`room=${encodeURIComponent(room)}`);
    await first.resume();
    first.abort();
    const numbers = Array.from({ length: 102 }, (_, index) => index);
    await publish(room, ...numbers);
    const query = `room=${encodeURIComponent(room)}`;
    const back = await EventStream.open(query, await id(first.lastEventId));
    const { resume, offset } = await back.resume();
    assert.deepEqual([resume, offset], ["lost", 102]);
    await publish(room, "live");
    assert.deepEqual(await back.news(1), ["live"]);
    back.abort();
  });
}

test("event stream: a padded one begins with a long comment", async () => {
  const stop = new AbortController();
  const response = await fetch(server.http("/sse/chat?padding=2048"), { signal: stop.signal });
  assert.equal(response.headers.get("x-accel-buffering"), "no");
  assert.match(response.headers.get("cache-control"), /no-transform/);
  assert.equal(response.headers.get("content-encoding"), null);
  const { value } = await within(response.body.getReader().read(), "the first chunk");
  assert.match(Buffer.from(value).toString(), /^: omniwire {2048}\nretry: \d+\n\n/);
  stop.abort();
});

test("event stream: more rooms than an id can name are refused", async () => {
  const query = Array.from({ length: 33 }, (_, index) => `room=${index}`).join("&");
  for (const path of ["sse", "poll"]) {
    assert.equal((await fetch(server.http(`/${path}/chat?${query}`))).status, 400);
  }
});

// Long polls

test("long poll: a cursor outlives the server, and the client is told that all is lost", async () => {
  const room = newRoom();
  const { cursor } = (await poll(`room=${encodeURIComponent(room)}`)).at(-1);
  const other = await startSuite("plain");
  try {
    const envelopes = await poll(`cursor=${cursor}`, other.url);
    assert.equal(typeof envelopes[0].open.session, "string");
    assert.deepEqual([envelopes[1].resume, envelopes[1].room], ["lost", room]);
    // The session that the answer's cursor names is there.
    await publishAt(other.url, room, 1);
    assert.deepEqual(newsOf(await poll(`cursor=${envelopes.at(-1).cursor}`, other.url)), [1]);
  } finally {
    await other.stop();
  }
});

test("long poll: the cursor of a session that is over brings what was missed", async () => {
  const room = newRoom();
  const first = await poll(`room=${encodeURIComponent(room)}`);
  assert.equal(first.find((envelope) => "resume" in envelope).resume, "new");
  await publish(room, 1);
  const seen = await poll(`cursor=${first.at(-1).cursor}`);
  assert.deepEqual(newsOf(seen), [1]);
  // A session that nobody has: as if this one had timed out.
  const cursor = seen.at(-1).cursor.replace(/^[^.]+/, "over");
  await publish(room, 2, 3);
  const back = await poll(`cursor=${cursor}&room=${encodeURIComponent(room)}`);
  assert.equal(back.find((envelope) => "resume" in envelope).resume, "recovered");
  assert.deepEqual(newsOf(back), [2, 3]);
  await publish(room, 4);
  assert.deepEqual(newsOf(await poll(`cursor=${back.at(-1).cursor}`)), [4]);
});

test("long poll: a room that the cursor does not name is lost, not silently new", async () => {
  const room = newRoom();
  const first = await poll(`room=${encodeURIComponent(room)}`);
  const cursor = first.at(-1).cursor.replace(/^[^.]+/, "over");
  const back = await poll(`cursor=${cursor}&room=other&room=${encodeURIComponent(room)}`);
  const words = back.filter((envelope) => "resume" in envelope);
  assert.deepEqual(words.map(({ resume }) => resume), ["lost", "recovered"]);
});

// Messages

for (const [name, path, protocols] of [
  ["WebSocket", "/ws/chat", ["omniwire.json.v1"]],
  ["SockJS", "/sockjs/chat/000/recovery/websocket", []],
]) {
  test(`${name}: a join that resumes brings what was missed`, async () => {
    const room = newRoom();
    const first = await Envelopes.open(path, protocols);
    first.say({ join: room });
    assert.equal((await first.next("resume")).resume, "new");
    await publish(room, 1, 2);
    await first.next("event");
    const { offset, epoch, room: from } = await first.next("event");
    assert.equal(from, room);
    first.close();
    await publish(room, 3);
    const back = await Envelopes.open(path, protocols);
    back.say({ join: room, resume: { offset, epoch } });
    assert.equal((await back.next("resume")).resume, "recovered");
    assert.deepEqual((await back.next("event")).args, [3]);
    back.say({ join: room, resume: { offset, epoch } });
    assert.equal((await back.next("resume")).resume, "lost", "it was there already");
    back.close();
  });
}

async function publishAt(base, room, ...args) {
  for (const arg of args) {
    const response = await fetch(new URL("/bar/publish", base), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ room, event: "news", args: [arg] }),
    });
    assert.equal(response.status, 204, await response.text());
  }
}

function publish(room, ...args) {
  return publishAt(server.http("/"), room, ...args);
}

async function poll(query, base = server.http("/")) {
  const response = await within(fetch(new URL(`/poll/chat?${query}`, base)), "a poll");
  assert.equal(response.status, 200);
  return response.json();
}

function newsOf(envelopes) {
  return envelopes.filter(({ event }) => event === "news").map(({ args }) => args[0]);
}

/** An event stream read by hand, so that the test decides when it comes back. */
class EventStream {
  lastEventId = "";
  #stop = new AbortController();
  #arrived = new Inbox();

  static async open(query, lastEventId) {
    const stream = new EventStream();
    const headers = lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId };
    const url = server.http(`/sse/chat?${query}`);
    const response = await fetch(url, { headers, signal: stream.#stop.signal });
    assert.equal(response.status, 200);
    stream.#read(response.body).catch(() => {});
    return stream;
  }

  async #read(body) {
    let text = "";
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) this.#arrived.push(block);
    }
  }

  /** The next event of this name: its id counts as seen only now. */
  async #next(name) {
    for (;;) {
      const fields = (await this.#arrived.next(`an event ${name}`)).split("\n");
      const value = (field) => fields.find((line) => line.startsWith(`${field}: `));
      this.lastEventId = value("id")?.slice(4) ?? this.lastEventId;
      if (value("event")?.slice(7) === name) return JSON.parse(value("data").slice(6));
    }
  }

  async news(count) {
    const taken = [];
    while (taken.length < count) taken.push(...(await this.#next("news")));
    return taken;
  }

  async resume() {
    for (;;) {
      const envelope = await this.#next("omniwire");
      if ("resume" in envelope) return envelope;
    }
  }

  abort() {
    this.#stop.abort();
  }
}

/** Envelopes over a WebSocket, bare or in SockJS's frames. */
class Envelopes {
  #socket;
  #arrived = new Inbox();
  #framed;

  static async open(path, protocols) {
    const line = new Envelopes();
    line.#framed = path.startsWith("/sockjs");
    line.#socket = new WebSocket(server.ws(path), protocols);
    line.#socket.on("message", (data) => line.#hear(data.toString()));
    await line.next("open");
    return line;
  }

  #hear(text) {
    if (!this.#framed) return this.#arrived.push(JSON.parse(text));
    if (text.startsWith("a")) {
      for (const message of JSON.parse(text.slice(1))) this.#arrived.push(JSON.parse(message));
    }
  }

  say(envelope) {
    const text = JSON.stringify(envelope);
    this.#socket.send(this.#framed ? JSON.stringify([text]) : text);
  }

  next(kind) {
    return this.#arrived.next(kind, (envelope) => kind in envelope);
  }

  close() {
    this.#socket.close();
  }
}
