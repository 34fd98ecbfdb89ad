/**
 * Cases of the official suite that are about connections, by bare TCP. Those about frames and
 * sessions are in crates/sockjs/tests/it/suite.rs; conformance/sockjs.md says which is where.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, test } from "node:test";
import WebSocket from "ws";

import { handshake, RawConnection } from "../raw.mjs";
import { Inbox, within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const server = suite("sockjs");
const GREETING = "Welcome to SockJS!\n";
const CLOSED = 'c[3000,"Go away!"]\n';
let count = 0;
const session = (prefix) => `${prefix}/000/protocol-${process.pid}-${count++}`;

/** One TCP connection for requests by hand. */
class Line {
  static #open = new Set();
  #socket;
  #arrived = new Inbox();
  #held = "";

  constructor() {
    const { host, port } = server.address;
    this.#socket = connect(port, host).setEncoding("latin1");
    this.#socket.on("data", (text) => this.#arrived.push(text));
    this.#socket.on("error", () => {});
    this.ended = once(this.#socket, "close");
    Line.#open.add(this);
  }

  static abortAll() {
    for (const line of Line.#open) line.abort();
  }

  /** Sends a request, and reads the head of its answer. */
  async request(method, path, headers = {}, version = "1.1") {
    const all = { Host: "localhost", ...headers };
    if (method === "POST") all["Content-Length"] = "0";
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#socket.write(`${method} ${path} HTTP/${version}\r\n${lines.join("")}\r\n`);
    const head = (await this.#until("\r\n\r\n")).toLowerCase().split("\r\n");
    const fields = head.slice(1).map((line) => line.split(/: (.*)/s, 2));
    return { status: Number(head[0].split(" ")[1]), headers: Object.fromEntries(fields) };
  }

  async #until(end) {
    while (!this.#held.includes(end)) this.#held += await this.#arrived.next(JSON.stringify(end));
    const at = this.#held.indexOf(end);
    const text = this.#held.slice(0, at);
    this.#held = this.#held.slice(at + end.length);
    return text;
  }

  async read(length) {
    while (this.#held.length < length) this.#held += await this.#arrived.next(`${length} bytes`);
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return text;
  }

  /** The next chunk of RFC 9112, 7.1; the last one is empty. */
  async chunk() {
    const text = await this.read(Number.parseInt(await this.#until("\r\n"), 16));
    assert.equal(await this.read(2), "\r\n");
    return text;
  }

  abort() {
    this.#socket.destroy();
  }
}

after(() => Line.abortAll());

async function post(path) {
  const response = await fetch(server.http(path), { method: "POST" });
  return within(response.text(), path);
}

/** A WebSocket and what comes over it. */
async function open(path) {
  const socket = new WebSocket(server.ws(path));
  const heard = new Inbox();
  socket.on("message", (data) => heard.push(data.toString()));
  const closed = once(socket, "close");
  await within(once(socket, "open"), path);
  return { socket, heard, closed };
}

// WebSocketHttpErrors, WebSocket

test("WebsocketHttpErrors: a GET without an upgrade is 400", async () => {
  assert.equal((await fetch(server.http("/echo/0/0/websocket"))).status, 400);
});

test("WebsocketHttpErrors: an upgrade whose Connection was rewritten is 400", async () => {
  const headers = { Upgrade: "WebSocket", Connection: "close" };
  const { status } = await new Line().request("GET", "/echo/0/0/websocket", headers);
  assert.equal(status, 400);
});

for (const headers of [{}, { Upgrade: "WebSocket", Connection: "Upgrade" }]) {
  test(`WebsocketHttpErrors: a POST with ${Object.keys(headers)} is 405, no body`, async () => {
    const line = new Line();
    const answer = await line.request("POST", "/echo/0/0/websocket", headers);
    assert.equal(answer.status, 405);
    assert.ok(answer.headers.allow);
    assert.equal(answer.headers["content-type"], undefined);
    assert.equal(answer.headers["content-length"] ?? "0", "0");
  });
}

test("Websocket: the head of the answer", async () => {
  const connection = new RawConnection(server.address);
  const key = { "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==" };
  const old = { "Sec-WebSocket-Origin": "http://asd" };
  connection.write(handshake(`${session("/echo")}/websocket`, { ...key, ...old }));
  const { status, headers } = await connection.answer();
  assert.equal(status, 101);
  assert.equal(headers["sec-websocket-accept"], "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
  assert.equal(headers.connection.toLowerCase(), "upgrade");
  assert.equal(headers.upgrade.toLowerCase(), "websocket");
  assert.equal(headers["content-length"], undefined);
  connection.destroy();
});

test("Websocket: empty messages, and frames without messages, are ignored", async () => {
  const { socket, heard } = await open(`${session("/echo")}/websocket`);
  assert.equal(await heard.next(), "o");
  for (const text of ["", "[]", '["a"]']) socket.send(text);
  assert.equal(await heard.next(), 'a["a"]');
  socket.close();
});

test("Websocket: two may have one session name, and it may be used again", async () => {
  const path = `${session("/echo")}/websocket`;
  const both = [await open(path), await open(path)];
  for (const [index, { socket, heard }] of both.entries()) {
    assert.equal(await heard.next(), "o");
    socket.send(`["${index}"]`);
    assert.equal(await heard.next(), `a["${index}"]`);
  }
  for (const { socket, closed } of both) {
    socket.close();
    await within(closed, "the close");
  }
  const again = await open(path);
  assert.equal(await again.heard.next(), "o");
  again.socket.close();
});

// JsessionidCookie

test("JsessionidCookie: /info sets none", async () => {
  const response = await fetch(server.http("/cookie_needed_echo/info"));
  assert.equal((await response.json()).cookie_needed, true);
  assert.equal(response.headers.get("set-cookie"), null);
});

for (const [method, transport] of [
  ["POST", "xhr"],
  ["POST", "xhr_streaming"],
  ["GET", "eventsource"],
  ["GET", "htmlfile?c=%63allback"],
  ["GET", "jsonp?c=%63allback"],
]) {
  test(`JsessionidCookie: ${transport} sets it, or keeps the client's`, async () => {
    for (const [sent, told] of [[undefined, "dummy"], ["JSESSIONID=abcdef", "abcdef"]]) {
      const line = new Line();
      const headers = sent === undefined ? {} : { Cookie: sent };
      const path = `${session("/cookie_needed_echo")}/${transport}`;
      const answer = await line.request(method, path, headers);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers["set-cookie"], `jsessionid=${told}; path=/`);
      const control = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
      assert.equal(answer.headers["cache-control"], control);
    }
  });
}

// HandlingClose

test("HandlingClose: a stream that is aborted ends its session", async () => {
  const path = `${session("/echo")}/xhr_streaming`;
  const line = new Line();
  await line.request("POST", path);
  await line.chunk();
  assert.equal(await line.chunk(), "o\n");
  const refused = (await post(path)).slice(2_049);
  assert.equal(refused, 'c[2010,"Another connection still open"]\n');
  line.abort();
  const third = new Line();
  await third.request("POST", path);
  await third.chunk();
  assert.equal(await third.chunk(), "o\n");
});

test("HandlingClose: a poll that is aborted ends its session", async () => {
  const path = `${session("/echo")}/xhr`;
  assert.equal(await post(path), "o\n");
  // Whichever of the two comes first is aborted; the other has been refused.
  const [one, two] = [new Line(), new Line()];
  const heads = [one.request("POST", path), two.request("POST", path)];
  const waiting = await within(
    Promise.race(heads.map((head, index) => head.then(() => [two, one][index]))),
    "the refusal",
  );
  waiting.abort();
  await waiting.ended;
  assert.equal(await post(path), "o\n");
});

// Http10, Http11

test("Http10: the greeting has a length or ends with the connection", async () => {
  const line = new Line();
  const headers = { Connection: "Keep-Alive" };
  const answer = await line.request("GET", "/echo", headers, "1.0");
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["transfer-encoding"], undefined);
  assert.equal(answer.headers["content-length"], `${GREETING.length}`);
  assert.equal(await line.read(GREETING.length), GREETING);
  assert.equal(answer.headers.connection, "keep-alive");
  assert.equal((await line.request("GET", "/echo", headers, "1.0")).status, 200);
});

test("Http10: a stream has no chunks, and ends with the connection", async () => {
  const line = new Line();
  const path = `${session("/close")}/xhr_streaming`;
  const answer = await line.request("POST", path, { Connection: "Keep-Alive" }, "1.0");
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["transfer-encoding"], undefined);
  assert.equal(answer.headers["content-length"], undefined);
  const body = `${"h".repeat(2_048)}\no\n${CLOSED}`;
  assert.equal(await line.read(body.length), body);
  await within(line.ended, "the end of the connection");
});

test("Http11: the greeting leaves the connection open", async () => {
  const line = new Line();
  const headers = { Connection: "Keep-Alive" };
  const answer = await line.request("GET", "/echo", headers);
  assert.ok(["keep-alive", undefined].includes(answer.headers.connection));
  assert.equal(answer.headers["content-length"], `${GREETING.length}`);
  assert.equal(answer.headers["transfer-encoding"], undefined);
  assert.equal(await line.read(GREETING.length), GREETING);
  assert.equal((await line.request("GET", "/echo", headers)).status, 200);
});

test("Http11: each frame of a stream is a chunk of its own", async () => {
  const line = new Line();
  const path = `${session("/close")}/xhr_streaming`;
  const answer = await line.request("POST", path, { Connection: "Keep-Alive" });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["transfer-encoding"], "chunked");
  assert.equal(answer.headers["content-length"], undefined);
  for (const chunk of [`${"h".repeat(2_048)}\n`, "o\n", CLOSED, ""]) {
    assert.equal(await line.chunk(), chunk);
  }
});
