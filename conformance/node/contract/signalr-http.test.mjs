/**
 * `omniwire conformance --suite signalr`: negotiate, and the answers of the three transports, request
 * by request. Texts and statuses are those of ASP.NET Core 9.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";

import { Inbox, within } from "../wait.mjs";
import { CLOSED_WITH_ERROR, Line, SEPARATOR } from "./signalr-line.mjs";
import { suite } from "./suite.mjs";

const server = suite("signalr");
const { fact } = server;

const HELLO = `{"protocol":"json","version":1}${SEPARATOR}`;
const NO_ID = [400, "Connection ID required"];
const UNKNOWN = [404, "No Connection with that ID"];
const CHANGED = [400, "Cannot change transports mid-connection"];
const STREAM = { Accept: "text/event-stream" };

// Negotiate

fact("negotiate is JSON, its members in ASP.NET Core's order", async () => {
  const answer = await ask("POST", "/hubs/test/negotiate?negotiateVersion=1");
  assert.equal(answer.headers.get("content-type"), "application/json");
  const id = "[A-Za-z0-9_-]{22}";
  const expected = `\\{"negotiateVersion":1,"connectionId":"${id}","connectionToken":"${id}",` +
    '"availableTransports":\\[' +
    '\\{"transport":"WebSockets","transferFormats":\\["Text","Binary"\\]\\},' +
    '\\{"transport":"ServerSentEvents","transferFormats":\\["Text"\\]\\},' +
    '\\{"transport":"LongPolling","transferFormats":\\["Text","Binary"\\]\\}\\]\\}';
  assert.match(answer.text, new RegExp(`^${expected}$`));
});

fact("version 0 has one id, which others see and which opens the connection", async () => {
  for (const query of ["", "?negotiateVersion=0", "?NEGOTIATEVERSION=0"]) {
    const { text } = await ask("POST", `/hubs/test/negotiate${query}`);
    const { negotiateVersion, connectionId, connectionToken } = JSON.parse(text);
    assert.deepEqual([negotiateVersion, connectionToken], [0, undefined]);
    const line = await Line.open(server.ws(`/hubs/test?id=${connectionId}`));
    line.call("1", "GetConnectionId");
    assert.equal((await line.answer("1")).result, connectionId);
    line.close();
  }
});

fact("versions above 1 are answered as 1, and what is no version is refused", async () => {
  for (const version of ["1", "2", "99", "+1"]) {
    const query = `negotiateVersion=${encodeURIComponent(version)}`;
    const { text } = await ask("POST", `/hubs/test/negotiate?${query}`);
    assert.equal(JSON.parse(text).negotiateVersion, 1);
  }
  for (const version of ["x", "1.5", "", "99999999999"]) {
    const { status, text } = await ask("POST", `/hubs/test/negotiate?negotiateVersion=${version}`);
    const error = "The client requested a non-integer protocol version.";
    assert.deepEqual([status, text], [200, JSON.stringify({ error })]);
  }
  const { text } = await ask("POST", "/hubs/test/negotiate?negotiateVersion=-1");
  assert.match(text, /^\{"error":"The client requested version '-1', but the server does not/);
});

fact("negotiate is POST, and its tail is all there is", async () => {
  for (const method of ["GET", "PUT", "DELETE", "PATCH", "HEAD"]) {
    assert.equal((await ask(method, "/hubs/test/negotiate?negotiateVersion=1")).status, 405);
  }
  for (const path of ["/hubs/none/negotiate", "/hubs/test/other", "/hubs/test/negotiate/x"]) {
    assert.equal((await ask("POST", path)).status, 404, path);
  }
});

// What a request means, and how it is refused

fact("without an id, with an unknown one, and with the public one in version 1", async () => {
  const { connectionId } = await negotiate("/hubs/test");
  for (const [method, headers] of [["GET", {}], ["GET", STREAM], ["POST", {}], ["DELETE", {}]]) {
    assert.deepEqual(brief(await ask(method, "/hubs/test", { headers })), NO_ID);
    assert.deepEqual(brief(await ask(method, "/hubs/test?id=", { headers })), NO_ID);
    for (const id of ["unknown", connectionId]) {
      const answer = await ask(method, `/hubs/test?id=${id}`, { headers });
      assert.deepEqual(brief(answer), UNKNOWN);
      assert.equal(answer.headers.get("content-type"), "text/plain");
    }
  }
  for (const id of ["unknown", connectionId]) {
    await assert.rejects(Line.bare(server.ws(`/hubs/test?id=${id}`)), /404/);
  }
});

fact("a token of one hub is unknown at another", async () => {
  const { connectionToken } = await negotiate("/hubs/test");
  assert.deepEqual(brief(await ask("GET", `/hubs/par?id=${connectionToken}`)), UNKNOWN);
});

fact("other methods are 405", async () => {
  const { connectionToken } = await negotiate("/hubs/test");
  for (const method of ["PUT", "PATCH", "HEAD"]) {
    for (const query of ["", `?id=${connectionToken}`]) {
      assert.equal((await ask(method, `/hubs/test${query}`)).status, 405, `${method} ${query}`);
    }
  }
});

fact("transports that are off are 404 with their name, but first comes the id", async () => {
  const off = (name) => [404, `${name} transport not supported by this end point type`];
  const { connectionToken: ws } = await negotiate("/hubs/wsonly");
  const stream = await ask("GET", `/hubs/wsonly?id=${ws}`, { headers: STREAM });
  assert.deepEqual(brief(stream), off("ServerSentEvents"));
  assert.deepEqual(brief(await ask("GET", `/hubs/wsonly?id=${ws}`)), off("LongPolling"));
  assert.deepEqual(brief(await ask("GET", "/hubs/wsonly?id=x")), UNKNOWN);
  const { connectionToken: lp } = await negotiate("/hubs/lponly");
  for (const query of [`?id=${lp}`, ""]) {
    await assert.rejects(Line.bare(server.ws(`/hubs/lponly${query}`)), /404/);
  }
});

fact("a WebSocket connection takes no POST, DELETE, poll or stream, nor another WebSocket", async () => {
  const { connectionToken: token } = await negotiate("/hubs/test");
  const path = `/hubs/test?id=${token}`;
  const line = await Line.open(server.ws(path));
  assert.deepEqual(brief(await ask("POST", path, { body: HELLO })), [
    405, "POST requests are not allowed for WebSocket connections.",
  ]);
  assert.deepEqual(brief(await ask("DELETE", path)), [
    400, "Cannot terminate this connection using the DELETE endpoint.",
  ]);
  assert.deepEqual(brief(await ask("GET", path)), CHANGED);
  assert.deepEqual(brief(await ask("GET", path, { headers: STREAM })), CHANGED);
  await assert.rejects(Line.bare(server.ws(path)), /409/);
  line.call("1", "Add", 1, 1);
  assert.equal((await line.answer("1")).result, 2);
  line.close();
});

// Server-sent events

fact("an event stream: headers, its opening, an event for each record", async () => {
  const { connectionToken: token } = await negotiate("/hubs/test");
  const path = `/hubs/test?id=${token}`;
  const stream = await Stream.open(path, "application/json, text/event-stream");
  assert.equal(stream.status, 200);
  const { headers } = stream;
  assert.equal(headers["content-type"], "text/event-stream");
  assert.equal(headers["cache-control"], "no-cache,no-store");
  assert.equal(headers.pragma, "no-cache");
  assert.equal(headers["content-encoding"], "identity");
  assert.equal(await stream.upTo(":\r\n"), ":\r\n");
  const sent = await ask("POST", path, { body: HELLO });
  assert.deepEqual([...brief(sent), sent.headers.get("content-type")], [200, "", "text/plain"]);
  assert.equal(await stream.upTo("\r\n\r\n"), `data: {}${SEPARATOR}\r\n\r\n`);
  await ask("POST", path, { body: record({ type: 1, target: "SendToCaller", arguments: ["t", 1] }) });
  const event = await stream.upTo("\r\n\r\n");
  assert.equal(
    event, `data: ${record({ type: 1, target: "Receive", arguments: ["t", 1] })}\r\n\r\n`,
  );
  assert.deepEqual(brief(await ask("GET", path, { headers: STREAM })), [409, ""]);
  assert.deepEqual(brief(await ask("GET", path)), CHANGED);
  assert.equal((await ask("DELETE", path)).status, 400);
  stream.drop();
  await gone(path);
});

fact("an event stream carries no messagepack", async () => {
  const { connectionToken: token } = await negotiate("/hubs/test");
  const path = `/hubs/test?id=${token}`;
  const stream = await Stream.open(path);
  await ask("POST", path, { body: HELLO.replace("json", "messagepack") });
  const error = "Cannot use the 'messagepack' protocol on the current transport. " +
    "The transport does not support 'Binary' transfer format.";
  assert.ok((await stream.upTo("\r\n\r\n")).includes(JSON.stringify({ error })));
  await within(stream.ended, "the end of the stream");
});

// Long polling

fact("polls: the first at once and empty, then what waits, and never from a cache", async () => {
  const { connectionToken: token } = await negotiate("/hubs/test");
  const path = `/hubs/test?id=${token}`;
  // What is said before the first poll is kept.
  assert.deepEqual(brief(await ask("POST", path, { body: HELLO })), [200, ""]);
  const first = await ask("GET", path);
  assert.deepEqual(brief(first), [200, ""]);
  assert.deepEqual(brief(await ask("POST", path, { body: "" })), [200, ""]);
  for (const number of [1, 2]) {
    const push = { type: 1, target: "SendToCaller", arguments: ["t", number] };
    await ask("POST", path, { body: record(push) });
  }
  let text = "";
  while (text.split(SEPARATOR).length < 4) {
    const answer = await ask("GET", path);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-type"), "application/octet-stream");
    assert.equal(answer.headers.get("content-length"), String(answer.text.length));
    assert.ok(answer.text.endsWith(SEPARATOR));
    noCache(answer);
    text += answer.text;
  }
  const push = (number) => record({ type: 1, target: "Receive", arguments: ["t", number] });
  assert.equal(text, `{}${SEPARATOR}${push(1)}${push(2)}`);
  noCache(first);
  for (const headers of [STREAM]) {
    assert.deepEqual(brief(await ask("GET", path, { headers })), CHANGED);
  }
  await assert.rejects(Line.bare(server.ws(path)), /400/);
  assert.deepEqual(brief(await ask("DELETE", path)), [202, ""]);
});

fact("a poll that is refused is kept by no cache either, other refusals have no word of it", async () => {
  const { connectionToken: token } = await negotiate("/hubs/test");
  const path = `/hubs/test?id=${token}`;
  const stream = await Stream.open(path);
  for (const [refused, status] of [["/hubs/test", 400], ["/hubs/test?id=none", 404], [path, 400]]) {
    const answer = await ask("GET", refused);
    assert.equal(answer.status, status);
    noCache(answer);
  }
  for (const [method, headers] of [["GET", STREAM], ["POST", {}], ["DELETE", {}]]) {
    const answer = await ask(method, "/hubs/test?id=none", { headers });
    assert.deepEqual([answer.status, answer.headers.get("cache-control")], [404, null]);
  }
  stream.drop();
});

fact("two polls: the newer one wins, the older ends with 204, and nothing is lost", async () => {
  const path = await polling("/hubs/test");
  for (let round = 0; round < 20; round += 1) {
    const polls = [ask("GET", path), ask("GET", path), ask("GET", path)];
    const push = { type: 1, target: "SendToCaller", arguments: ["t", round] };
    // An older poll ends when a newer one comes: two are over before anything is said.
    let over = 0;
    for (const poll of polls) poll.then(() => (over += 1));
    await eventually(async () => (await ask("POST", path, { body: "" })) && over === 2);
    await ask("POST", path, { body: record(push) });
    const answers = await Promise.all(polls);
    const [brought, ...rest] = answers.toSorted((a, b) => a.status - b.status);
    assert.equal(brought.text, record({ type: 1, target: "Receive", arguments: ["t", round] }));
    for (const answer of rest) {
      assert.deepEqual(brief(answer), [204, ""]);
      noCache(answer);
    }
  }
});

fact("DELETE: 202, the open poll ends, and the id is unknown", async () => {
  const path = await polling("/hubs/test");
  // The older of two polls ends by the newer: then that is surely with the server.
  const polls = [ask("GET", path), ask("GET", path)];
  await within(Promise.race(polls), "the end of the older poll");
  const answer = await ask("DELETE", path);
  assert.deepEqual([...brief(answer), answer.headers.get("content-type")], [202, "", "text/plain"]);
  for (const poll of polls) {
    assert.equal((await within(poll, "the end of the poll")).status, 204);
  }
  for (const method of ["GET", "POST", "DELETE"]) {
    assert.deepEqual(brief(await ask(method, path)), UNKNOWN);
  }
});

fact("an idle poll ends after the poll time-out, 200 and empty, and the next one goes on", async () => {
  const path = await polling("/hubs/fast");
  const began = Date.now();
  const answer = await ask("GET", path);
  assert.deepEqual(brief(answer), [200, ""]);
  const took = Date.now() - began;
  assert.ok(took >= 2_900 && took < 6_000, `${took} ms`);
  const push = { type: 1, target: "SendToCaller", arguments: ["t", 1] };
  await ask("POST", path, { body: record(push) });
  assert.equal((await ask("GET", path)).status, 200);
});

fact("an error of the protocol: a poll brings the Close, the next is 204, then 404", async () => {
  const path = await polling("/hubs/test");
  assert.equal((await ask("POST", path, { body: SEPARATOR })).status, 200);
  const close = await ask("GET", path);
  assert.deepEqual(brief(close), [200, record(CLOSED_WITH_ERROR)]);
  assert.deepEqual(brief(await ask("GET", path)), [204, ""]);
  assert.deepEqual(brief(await ask("GET", path)), UNKNOWN);
});

fact("a poll that its client breaks off does not end the connection", async () => {
  const path = await polling("/hubs/test");
  for (let round = 0; round < 5; round += 1) {
    const { hostname, port } = new URL(server.http(path));
    const socket = connect(port, hostname);
    await once(socket, "connect");
    socket.write(`GET ${path} HTTP/1.1\r\nHost: here\r\n\r\n`);
    // A round trip, in which the server most likely takes the poll.
    await ask("POST", path, { body: "" });
    socket.resume().end();
    // Until it has let go of that, what is said may be lost with it.
    await within(once(socket, "close"), "the server's end of the connection");
  }
  await ask("POST", path, {
    body: record({ type: 1, invocationId: "1", target: "Add", arguments: [1, 1] }),
  });
  const answer = await ask("GET", path);
  assert.equal(answer.text, '{"type":3,"invocationId":"1","result":2}\u001e');
});

fact("who polls no more is gone after 15 s", async () => {
  const path = await polling("/hubs/test");
  const began = Date.now();
  await gone(path, 25_000);
  assert.ok(Date.now() - began > 13_000);
});

fact("each request of /hubs/auth needs its token, not only the first", async () => {
  const token = "access_token=token-ada";
  const path = await polling("/hubs/auth", token);
  const bare = path.replace(`&${token}`, "");
  assert.notEqual(bare, path);
  for (const method of ["GET", "POST", "DELETE"]) {
    assert.equal((await ask(method, bare)).status, 401);
    assert.equal((await ask(method, `${bare}&access_token=other`)).status, 401);
  }
  await assert.rejects(Line.bare(server.ws("/hubs/auth")), /401/);
  const headers = { Authorization: "Bearer token-ada" };
  assert.deepEqual(brief(await ask("DELETE", bare, { headers })), [202, ""]);
});

async function negotiate(path, query = "") {
  const { text } = await ask("POST", `${path}/negotiate?negotiateVersion=1&${query}`);
  return JSON.parse(text);
}

/** The path of a connection that has shaken hands over long polling. */
async function polling(hub, query = "") {
  const { connectionToken } = await negotiate(hub, query);
  const path = `${hub}?id=${connectionToken}${query && `&${query}`}`;
  assert.deepEqual(brief(await ask("GET", path)), [200, ""]);
  await ask("POST", path, { body: HELLO });
  assert.equal((await ask("GET", path)).text, `{}${SEPARATOR}`);
  return path;
}

async function ask(method, path, options = {}) {
  const answer = await fetch(server.http(path), { method, ...options });
  const { status, headers } = answer;
  return { status, headers, text: await answer.text() };
}

const brief = ({ status, text }) => [status, text];

const record = (message) => JSON.stringify(message) + SEPARATOR;

function noCache({ headers }) {
  assert.equal(headers.get("cache-control"), "no-cache, no-store");
  assert.equal(headers.get("pragma"), "no-cache");
  assert.equal(headers.get("expires"), "Thu, 01 Jan 1970 00:00:00 GMT");
}

/** Waits until nobody knows the connection: a POST is no poll, so it keeps nothing alive. */
async function gone(path, limitMs = 10_000) {
  const isGone = async () => (await ask("POST", path, { body: "" })).status === 404;
  await eventually(isGone, limitMs);
}

/** Asks until the answer is yes: each question is a round trip, so this is no busy loop. */
async function eventually(isSo, limitMs = 10_000) {
  const end = Date.now() + limitMs;
  while (!(await isSo())) {
    assert.ok(Date.now() < end, `not so within ${limitMs} ms`);
  }
}

/** An event stream as it is on the wire. */
class Stream {
  #response;
  #inbox = new Inbox();
  #text = "";

  static async open(path, accept = "text/event-stream") {
    const stream = new Stream();
    const answered = new Promise((resolve, reject) => {
      const asked = request(server.http(path), { headers: { accept } }, resolve);
      asked.on("error", reject);
      asked.end();
    });
    const response = await within(answered, "the stream");
    response.setEncoding("utf8");
    response.on("data", (text) => stream.#inbox.push(text));
    response.on("error", () => {});
    stream.ended = new Promise((resolve) => response.on("end", resolve));
    stream.#response = response;
    return stream;
  }

  get status() {
    return this.#response.statusCode;
  }

  get headers() {
    return this.#response.headers;
  }

  /** The text up to and with this one. */
  async upTo(end) {
    while (!this.#text.includes(end)) this.#text += await this.#inbox.next("more of the stream");
    const len = this.#text.indexOf(end) + end.length;
    const taken = this.#text.slice(0, len);
    this.#text = this.#text.slice(len);
    return taken;
  }

  drop() {
    this.#response.destroy();
  }
}
