/** `omniwire conformance --suite plain`: event streams, long polls and POSTs. */

import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { EventSource } from "eventsource";

import { Inbox, within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const server = suite("plain");
const { fact } = server;
let rooms = 0;
/** A room that no other test uses. */
const newRoom = () => `room-${process.pid}-${rooms++}`;

// An EventSource that nobody closes comes back for ever.
afterEach(() => Stream.closeAll());

// Event streams

fact("event stream: the first envelope names the peer and the session", async () => {
  const stream = await Stream.open(newRoom());
  assert.equal(typeof stream.opened.peer, "string");
  assert.equal(typeof stream.opened.session, "string");
  assert.notEqual(stream.opened.peer, stream.opened.session);
});

fact("event stream: its head says that it is one, and forbids caches", async () => {
  const stop = new AbortController();
  const response = await fetch(server.http("/sse/chat"), { signal: stop.signal });
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^text\/event-stream/);
  assert.match(response.headers.get("cache-control"), /no-(store|cache)/);
  stop.abort();
});

fact("event stream: what is published to the room arrives in order", async () => {
  const room = newRoom();
  const stream = await Stream.open(room);
  for (let number = 0; number < 20; number++) await publish(room, "news", number);
  const numbers = (await stream.news.take(20)).map(({ args }) => args[0]);
  assert.deepEqual(numbers, numbers.map((_, index) => index));
});

fact("event stream: another room's events do not arrive", async () => {
  const [room, other] = [newRoom(), newRoom()];
  const stream = await Stream.open(room);
  await publish(other, "news", "not this");
  await publish(room, "news", "this");
  assert.deepEqual((await stream.news.next()).args, ["this"]);
});

fact("event stream: Last-Event-ID brings all that was missed, once", async () => {
  const room = newRoom();
  const stream = await Stream.open(room);
  await publish(room, "news", "seen");
  const { id } = await stream.news.next();
  assert.ok(id, "an event of a recoverable room has an id");
  stream.close();
  for (const word of ["missed", "missed too"]) await publish(room, "news", word);
  const back = await Stream.open(room, id);
  await publish(room, "news", "live");
  const words = (await back.news.take(3)).map(({ args }) => args[0]);
  assert.deepEqual(words, ["missed", "missed too", "live"]);
});

fact("event stream: every JSON escape survives", async () => {
  const room = newRoom();
  const stream = await Stream.open(room);
  const text = "\"\\/\b\f\n\r\t\u0000\u001e\u2028\u2029\ufeff\uffff😀\ud800";
  await publish(room, "news", text, { nested: [text] });
  assert.deepEqual((await stream.news.next()).args, [text, { nested: [text] }]);
});

// Long polls

fact("long poll: the first answer has the session, and a cursor at its end", async () => {
  const envelopes = await poll(`room=${newRoom()}`);
  const { open } = envelopes.find((envelope) => envelope.open);
  assert.equal(typeof open.session, "string");
  assert.equal(typeof envelopes.at(-1).cursor, "string");
});

fact("long poll: what is published arrives in order, over many polls", async () => {
  const room = newRoom();
  const poller = await Poller.open(room);
  for (let number = 0; number < 20; number++) await publish(room, "news", number);
  const numbers = await poller.take(20);
  assert.deepEqual(numbers, numbers.map((_, index) => index));
});

fact("long poll: an answer that was lost comes again by the older cursor", async () => {
  const room = newRoom();
  const poller = await Poller.open(room);
  await publish(room, "news", "lost on the way");
  const { cursor } = poller;
  const lost = await poller.take(1);
  poller.cursor = cursor;
  assert.deepEqual(await poller.take(1), lost);
});

fact("long poll: what is published while no poll waits is kept", async () => {
  const room = newRoom();
  const poller = await Poller.open(room);
  for (const word of ["one", "two", "three"]) await publish(room, "news", word);
  assert.deepEqual(await poller.take(3), ["one", "two", "three"]);
});

fact("long poll: a cursor that is none is refused", async () => {
  const response = await fetch(server.http("/poll/chat?cursor=nonsense"));
  assert.ok(response.status >= 400 && response.status < 500, `${response.status}`);
});

// POSTs

fact("send: a ping is answered", async () => {
  const stream = await Stream.open(newRoom());
  const { status, body } = await send(stream.opened.session, '{"ping":{"a":[1]}}');
  assert.equal(status, 200);
  assert.deepEqual(body, [{ pong: { a: [1] } }]);
});

fact("send: a call that nobody handles is answered with not_found", async () => {
  const stream = await Stream.open(newRoom());
  const { body } = await send(stream.opened.session, '{"event":"nobody","args":[],"id":7}');
  assert.equal(body.length, 1);
  assert.equal(body[0].reply, 7);
  assert.equal(body[0].error.code, "not_found");
});

fact("send: an array is answered in its order", async () => {
  const stream = await Stream.open(newRoom());
  const { body } = await send(stream.opened.session, '[{"ping":1},{"ping":2},{"ping":3}]');
  assert.deepEqual(body, [{ pong: 1 }, { pong: 2 }, { pong: 3 }]);
});

for (const body of ["", "{", "[]]", '{"event":1}', "\u00ff", '[{"ping":1},{"nothing":1}]']) {
  fact(`send: ${JSON.stringify(body)} is refused whole with 400`, async () => {
    const stream = await Stream.open(newRoom());
    const answer = await send(stream.opened.session, Buffer.from(body, "latin1"));
    assert.equal(answer.status, 400);
    assert.equal(answer.body.error.code, "bad_envelope");
    });
}

fact("send: an unknown session is refused", async () => {
  const { status } = await send("nobody", '{"ping":1}');
  assert.ok([401, 403, 404, 410].includes(status), `${status}`);
});

fact("wrong methods are 405", async () => {
  assert.equal((await fetch(server.http("/send/chat?session=x"))).status, 405);
  assert.equal((await fetch(server.http("/sse/chat"), { method: "POST" })).status, 405);
});

// The rest

fact("history has what was published, in order, and at most 100", async () => {
  const room = newRoom();
  for (let number = 0; number < 110; number++) await publish(room, "news", number);
  const response = await fetch(server.http(`/bar/history?room=${room}`));
  assert.equal(response.status, 200);
  const history = JSON.stringify(await response.json());
  assert.ok(history.includes("109"), "the newest is there");
  assert.ok(!history.includes("[9]"), "the tenth is not");
});

fact("an unknown namespace is 404", async () => {
  for (const path of ["/sse/nowhere", "/poll/nowhere", "/nowhere"]) {
    assert.equal((await fetch(server.http(path))).status, 404, path);
  }
});

async function publish(room, event, ...args) {
  const response = await fetch(server.http("/bar/publish"), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ room, event, args }),
  });
  assert.ok(response.ok, `publish: ${response.status} ${await response.text()}`);
}

async function send(session, body) {
  const url = server.http(`/send/chat?session=${encodeURIComponent(session)}`);
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  return { status: response.status, body: isJson ? JSON.parse(text) : text };
}

async function poll(query) {
  const response = await within(fetch(server.http(`/poll/chat?${query}`)), "the poll", 30_000);
  assert.equal(response.status, 200);
  return response.json();
}

/** The official EventSource of npm, with the events `news` in an inbox. */
class Stream {
  static #open = new Set();
  news = new Inbox();
  #source;

  static closeAll() {
    for (const stream of Stream.#open) stream.close();
  }

  static async open(room, lastEventId) {
    const stream = new Stream();
    const url = server.http(`/sse/chat?room=${encodeURIComponent(room)}`);
    // The browser's own EventSource sends the header only when it comes back by itself.
    const extra = lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId };
    stream.#source = new EventSource(url, {
      fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...extra } }),
    });
    Stream.#open.add(stream);
    stream.#source.addEventListener("news", ({ data, lastEventId: id }) => {
      stream.news.push({ args: JSON.parse(data), id });
    });
    const opened = new Promise((resolve, reject) => {
      stream.#source.addEventListener("omniwire", ({ data }) => {
        const { open } = JSON.parse(data);
        if (open) resolve(open);
      });
      stream.#source.addEventListener("error", ({ code, message }) => {
        reject(new Error(`event stream: ${code} ${message}`));
      });
    });
    stream.opened = await within(opened, "the open envelope");
    return stream;
  }

  close() {
    this.#source.close();
    Stream.#open.delete(this);
  }
}

class Poller {
  static async open(room) {
    const poller = new Poller();
    poller.room = room;
    await poller.#poll(`room=${encodeURIComponent(room)}`);
    return poller;
  }

  /** The first arguments of the next `news`. */
  async take(count) {
    const taken = [];
    while (taken.length < count) {
      const events = await this.#poll(`cursor=${encodeURIComponent(this.cursor)}`);
      taken.push(...events.filter(({ event }) => event === "news").map(({ args }) => args[0]));
    }
    return taken;
  }

  async #poll(query) {
    const envelopes = await poll(query);
    const { cursor } = envelopes.at(-1) ?? {};
    if (cursor !== undefined) this.cursor = cursor;
    return envelopes;
  }
}
