/**
 * Clients that break rules by what they do, or do too much: the same to our server and to npm's,
 * which must answer alike, and hold no more for it.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { test } from "node:test";
import WebSocket from "ws";

import { startSuite } from "../server.mjs";
import { within } from "../wait.mjs";
import { ask, comparison, drained, EIO4, entered, PROBE, Raw } from "./socketio-alike.mjs";

const MAX = 100_000;
const SETTINGS = { SIO_MAX_PAYLOAD: `${MAX}` };
const alike = comparison(SETTINGS);

/** A request that is under way: its answer is `.answer`. */
function begin(server, path, options = {}) {
  const sent = request(`${server.url}${path}`, options);
  const answer = within(once(sent, "response"), `the answer to ${path}`).then(
    async ([response]) => {
      let body = "";
      for await (const part of response) body += part;
      return [response.statusCode, body];
    },
    (error) => ["broken off", error.code],
  );
  return { sent, answer };
}

/** What a session answers that may be over. */
const after = (server, path) => ask(server, path, { method: "POST", body: PROBE });

/** The answer to a poll that waits, once the server has it. */
async function waiting(server, path) {
  // What comes before it empties the queue, so that the next one waits.
  await ask(server, path, { method: "POST", body: PROBE });
  await drained(server, path);
  const poll = begin(server, path);
  poll.sent.end();
  await within(once(poll.sent, "finish"), "the request's end");
  return poll;
}

// Polls and POSTs at once

alike("a second poll while one waits ends the session", ["poll"], async (server) => {
  const path = await entered(server, EIO4);
  const first = await waiting(server, path);
  let second = await ask(server, path);
  // It may have overtaken the first, which then is the second.
  const answers = [second, await first.answer].map((answer) => [answer[0], answer.at(-1)]);
  second = await ask(server, path);
  return [answers.sort(), second];
});

alike("a second POST while one is read ends the session", ["POST"], async (server) => {
  const path = await entered(server, EIO4);
  const headers = { "content-type": "text/plain", "content-length": 100 };
  const first = begin(server, path, { method: "POST", headers });
  first.sent.write("4");
  // It is under way once a byte of it is: until then the second is the first.
  let answer;
  do answer = await after(server, path);
  while (answer[0] === 200);
  first.sent.destroy();
  return [answer, await ask(server, path)];
});

alike("a poll that is broken off ends the session", ["abort"], async (server) => {
  const path = await entered(server, EIO4);
  const poll = await waiting(server, path);
  poll.sent.destroy();
  let answer;
  do answer = await after(server, path);
  while (answer[0] === 200);
  return answer;
});

// A session and another transport than its own

const strange = {
  // Those that name its own transport are never answered by npm, which takes them for upgrades.
  websocket: ["GET polling", "POST polling", "PUT polling", "GET nothing"],
  polling: ["PUT polling", "GET websocket", "POST websocket", "GET nothing", "DELETE websocket"],
};

// npm answers 500, which would be our fault.
const BAD_REQUEST = '{"code":3,"message":"Bad request"}';
const NO_METHOD = { "PUT polling": [[400, "application/json", null, null, BAD_REQUEST], true] };

for (const own of ["websocket", "polling"]) {
  alike(`requests for a session on ${own}`, strange[own], async (server, line) => {
    const [method, transport] = line.split(" ");
    const sid = own === "websocket" ? await onWebSocket(server) : await onPolling(server);
    const path = `/socket.io/?EIO=4&transport=${transport}&sid=${sid.id}`;
    const body = method === "GET" ? undefined : PROBE;
    const answer = await ask(server, path, { method, body });
    const alive = await sid.isAlive();
    sid.end?.();
    return [answer, alive];
  }, { ours: own === "polling" ? NO_METHOD : {} });
}

async function onWebSocket(server) {
  const socket = new WebSocket(`${server.ws}${EIO4}websocket`);
  const [first] = await within(once(socket, "message"), "the open packet");
  return {
    id: JSON.parse(first.toString().slice(1)).sid,
    async isAlive() {
      const [entered] = [once(socket, "message"), socket.send("40")];
      return (await within(entered, "an answer"))[0].toString().startsWith("40{");
    },
    end: () => socket.close(),
  };
}

async function onPolling(server) {
  const path = await entered(server, EIO4);
  return {
    id: new URLSearchParams(path.split("?")[1]).get("sid"),
    isAlive: async () => (await after(server, path))[0] === 200,
  };
}

// Too much

const said = (len) => {
  const [head, tail] = ['420["echo-ack","', '"]'];
  return `${head}${"x".repeat(len - head.length - tail.length)}${tail}`;
};
const sizes = [MAX - 1, MAX, MAX + 1, 10 * MAX].flatMap((len) => [
  { name: `${len} bytes`, len, chunked: false },
  { name: `${len} bytes in chunks`, len, chunked: true },
]);

alike("bodies around the limit", sizes, async (server, { len, chunked }) => {
  const path = await entered(server, EIO4);
  const headers = chunked ? {} : { "content-length": len };
  const post = begin(server, path, { method: "POST", headers });
  if (chunked) post.sent.write("");
  post.sent.end(said(len));
  const [status, body] = await post.answer;
  // Whoever is refused before all was said may hear of it by a reset.
  const heard = status === "broken off" ? [413, ""] : [status, body];
  const alive = (await after(server, path))[0];
  return [heard, alive];
});

alike("messages around the limit", sizes.filter(({ chunked }) => !chunked), async (server, one) => {
  const client = await Raw.enter(server);
  const closed = once(client.socket, "close");
  client.say(said(one.len));
  client.say(PROBE);
  const heard = (await client.rest()).map((packet) => packet.length);
  if (!client.closed) client.end();
  const [code, reason] = await within(closed, "the close");
  return [heard, code, reason.toString()];
});

const attachments = [1, 9, 10, 11, 100, 1e9].map((count) => ({ name: `${count}`, count }));

alike("attachments around the limit", attachments, async (server, { count }) => {
  const client = await Raw.enter(server);
  const few = Math.min(count, 200);
  const places = Array.from({ length: few }, (_, num) => `{"_placeholder":true,"num":${num}}`);
  client.say(`45${count}-["echo",${places.join()}]`);
  for (let num = 0; num < few; num += 1) client.say(Buffer.of(num));
  client.say(PROBE);
  const heard = await client.rest();
  client.end();
  return heard;
});

alike("10,000 namespaces that there are not", ["nowhere"], async (server) => {
  const client = await Raw.enter(server);
  const names = Array.from({ length: 10_000 }, (_, number) => `/nowhere-${number}`);
  for (const name of names) client.say(`40${name},`);
  const last = `44${names.at(-1)},`;
  const heard = await client.rest(new RegExp(`^${last}`));
  client.say(PROBE);
  const alive = await client.rest();
  client.end();
  return [heard, alive];
});

// npm lets a client into as many as it asks for: here it stays with a hundred.
test("10,000 namespaces on demand: a hundred, and bounded memory", async () => {
  const server = await startSuite("socketio", SETTINGS);
  const client = await Raw.enter(server);
  const ask = (from, count) => {
    for (let number = from; number < from + count; number += 1) client.say(`40/dyn-${number},`);
    client.say(PROBE);
    return client.rest();
  };
  const heard = await ask(0, 1_000);
  const before = server.residentKib();
  heard.push(...await ask(1_000, 9_000));
  const grown = server.residentKib() - before;
  const count = (start) => heard.filter((packet) => packet.startsWith(start)).length;
  assert.equal(count("40/dyn-"), 99, "with `/` a hundred");
  assert.equal(heard.find((packet) => packet.startsWith("44/dyn-100,")),
    '44/dyn-100,{"message":"Too many namespaces"}');
  assert.equal(count("44/dyn-"), 9_901);
  assert.ok(grown < 4_096, `${grown} KiB more for 9,000 that were refused`);
  client.end();
  await server.stop();
});
