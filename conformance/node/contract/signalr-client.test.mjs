/** `omniwire conformance-client signalr`, by contracts/signalr.md: at our server, at bad ones. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { createInterface } from "node:readline";
import { WebSocketServer } from "ws";

import { FaultProxy, randomOf } from "../faults.mjs";
import { BINARY } from "../server.mjs";
import { Inbox, within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const server = suite("signalr");
const SEPARATOR = "\u001e";
const WAYS = [
  ["ws", "json", "WebSockets"], ["ws", "messagepack", "WebSockets"],
  ["sse", "json", "ServerSentEvents"],
  ["lp", "json", "LongPolling"], ["lp", "messagepack", "LongPolling"],
];

/** The program under test, its answers by command, and its events in order. */
class Client {
  static #running = new Set();
  #child;
  #answers = new Map();
  #id = 0;
  events = new Inbox();

  constructor() {
    const command = ["conformance-client", "signalr"];
    this.#child = spawn(BINARY, command, { stdio: ["pipe", "pipe", "inherit"] });
    Client.#running.add(this.#child);
    this.ended = once(this.#child, "exit");
    createInterface(this.#child.stdout).on("line", (line) => {
      const printed = JSON.parse(line);
      if ("event" in printed) return this.events.push(printed);
      this.#answers.get(printed.id)(printed);
      this.#answers.delete(printed.id);
    });
  }

  /** One that is connected. */
  static async connect(url, options) {
    const client = new Client();
    client.connected = await client.value("connect", { url, ...options });
    return client;
  }

  static killAll() {
    for (const child of Client.#running) child.kill("SIGKILL");
  }

  /** The answer to a command, and its id. */
  async ask(command, fields = {}) {
    const id = ++this.#id;
    const answered = new Promise((resolve) => this.#answers.set(id, resolve));
    this.#child.stdin.write(`${JSON.stringify({ id, command, ...fields })}\n`);
    return within(answered, `the answer to ${command}`, 20_000);
  }

  async value(command, fields) {
    const answer = await this.ask(command, fields);
    assert.equal(answer.ok, true, JSON.stringify(answer));
    return answer.value;
  }

  async error(command, fields) {
    const answer = await this.ask(command, fields);
    assert.equal(answer.ok, false, JSON.stringify(answer));
    return answer.error;
  }

  invoke(method, ...args) {
    return this.value("invoke", { method, args });
  }

  /** The id of a stream that was begun. */
  async stream(method, ...args) {
    const { ok, id } = await this.ask("stream", { method, args });
    assert.equal(ok, true);
    return id;
  }

  /** The next event of this kind. */
  next(name) {
    return this.events.next(name, ({ event }) => event === name, 20_000);
  }

  /** The items of a stream, and its error. */
  async whole(stream) {
    const items = [];
    for (;;) {
      const next = await this.events.next("an item or the end", (event) => event.stream === stream);
      if (next.event === "end") return [items, next.error];
      items.push(next.value);
    }
  }

  /** Stops it, and ends the program. */
  async stop() {
    await this.value("stop");
    assert.deepEqual(await this.next("closed"), { event: "closed", error: null });
    this.#child.stdin.end();
    const [code] = await within(this.ended, "the end of the program");
    assert.equal(code, 0);
  }
}

after(() => Client.killAll());

// At our own server

for (const [transport, protocol, name] of WAYS) {
  const way = { transport, protocol };
  const connect = (hub, more = {}) => Client.connect(server.http(hub), { ...way, ...more });

  test(`${transport}, ${protocol}: calls, answers and errors`, async () => {
    const client = await connect("/hubs/test");
    assert.equal(await client.invoke("GetTransport"), name);
    assert.equal(await client.invoke("GetConnectionId"), client.connected.connectionId);
    const texts = ["", "ä漢😀\u2028\u001e\"\\", "x".repeat(20_000)];
    const values = [...texts, 1.5, -7, true, null, [1, { a: [] }]];
    for (const value of values) assert.deepEqual(await client.invoke("EchoAny", value), value);
    assert.equal(await client.invoke("Add", 2, 3), 5);
    assert.equal(await client.invoke("ReturnVoid"), null);
    const throwing = { method: "ThrowHubException", args: ["told you"] };
    assert.match(await client.error("invoke", throwing), /told you/);
    const numbers = Array.from({ length: 50 }, (_, number) => number);
    const answers = numbers.map((number) => client.invoke("Echo", `${number}`));
    assert.deepEqual(await Promise.all(answers), numbers.map(String));
    await client.value("send", { method: "Record", args: [`${transport} ${protocol}`, 7] });
    assert.deepEqual(await client.invoke("GetRecorded", `${transport} ${protocol}`), [7]);
    await client.stop();
  });

  test(`${transport}, ${protocol}: streams both ways`, async () => {
    const client = await connect("/hubs/test");
    const stream = await client.stream("Counter", 100, 0);
    const hundred = Array.from({ length: 100 }, (_, at) => at);
    assert.deepEqual(await client.whole(stream), [hundred, null]);
    const [items, error] = await client.whole(await client.stream("CounterThrow", 3, "no more"));
    assert.deepEqual(items, [0, 1, 2]);
    assert.match(error, /no more/);
    const key = `${transport} ${protocol}`;
    const infinite = await client.stream("Infinite", key, 1);
    await client.next("item");
    assert.equal(await client.invoke("IsStreamAlive", key), true);
    await client.value("cancel", { stream: infinite });
    assert.equal((await client.next("end")).stream, infinite);
    // The end is told while the stream is being thrown away.
    while (await client.invoke("IsStreamAlive", key));
    const upload = (method, args, items, fail) =>
      client.value("upload", { method, args, items, fail });
    const many = Array.from({ length: 500 }, (_, at) => at);
    assert.equal(await upload("UploadSum", [], many), (500 * 499) / 2);
    assert.equal(await upload("UploadConcat", ["p"], ["a", "b"]), "pab");
    assert.equal(await upload("UploadOutcome", [], [1]), "done");
    assert.match(await upload("UploadOutcome", [], [1], "broken"), /^failed: .*broken/);
    await client.stop();
  });

  test(`${transport}, ${protocol}: the server calls, and asks`, async () => {
    const on = { Receive: null, ANSWER: { reply: { deep: [1] } } };
    const client = await connect("/hubs/test", { on });
    await client.invoke("SendToCaller", "tag", [1, "two"]);
    assert.deepEqual(await client.next("call"),
      { event: "call", method: "Receive", args: ["tag", [1, "two"]] });
    const wrong = await client.error("invoke", { method: "AskMe", args: ["me"] })
      .catch((answer) => answer.message);
    assert.ok(wrong, "an object is no string");
    assert.deepEqual(await client.next("call"), { event: "call", method: "ANSWER", args: ["me"] });
    await client.stop();
    const asked = await connect("/hubs/test", { on: { answer: { reply: "here" } } });
    assert.equal(await asked.invoke("AskMe", "me"), "answer:here");
    await asked.stop();
    const fails = await connect("/hubs/test", { on: { answer: { error: "no idea" } } });
    assert.match(await fails.invoke("AskMe", "me"), /^client error:.*no idea/);
    await fails.stop();
    const deaf = await connect("/hubs/test");
    assert.match(await deaf.invoke("AskMe", "me"), /^client error:.*didn't provide a result/);
    await deaf.stop();
  });

  test(`${transport}, ${protocol}: a token, headers, and what is refused`, async () => {
    const more = { token: "token-ada", headers: { "X-Test": "seen" } };
    const client = await connect("/hubs/auth?colour=blue", more);
    assert.equal(await client.invoke("GetUserId"), "ada");
    assert.equal(await client.invoke("GetHeader", "x-test"), "seen");
    assert.equal(await client.invoke("GetQuery", "colour"), "blue");
    await client.stop();
    const stranger = { url: server.http("/hubs/auth"), ...way };
    assert.match(await new Client().error("connect", stranger), /401/);
    const refused = await connect("/hubs/refuse");
    assert.match((await refused.next("closed")).error, /^Server returned an error on close:/);
  });

  test(`${transport}, ${protocol}: pings keep a quick-tempered server, for long`, async () => {
    const client = await connect("/hubs/fast", { keepAliveMs: 500, serverTimeoutMs: 3_000 });
    assert.equal(await client.invoke("DelayedEcho", "still here", 4_500), "still here");
    await client.stop();
  });

  test(`${transport}, ${protocol}: the server ends it`, async () => {
    const client = await connect("/hubs/test");
    const observer = await connect("/hubs/test");
    const { connectionId } = client.connected;
    await client.ask("send", { method: "Abort", args: [] });
    assert.equal((await client.next("closed")).event, "closed");
    assert.match(await client.error("invoke", { method: "Add", args: [1, 1] }), /no connection/);
    assert.equal(await observer.invoke("ConnectionState", connectionId), "clean");
    await observer.stop();
  });
}

test("auto takes the first transport that the hub has", async () => {
  for (const [hub, name] of [["/hubs/test", "WebSockets"], ["/hubs/lponly", "LongPolling"]]) {
    const client = await Client.connect(server.http(hub), { transport: "auto", protocol: "json" });
    assert.equal(await client.invoke("GetTransport"), name);
    await client.stop();
  }
  const client = new Client();
  const options = { url: server.http("/hubs/wsonly"), transport: "lp", protocol: "json" };
  assert.match(await client.error("connect", options), /LongPolling/);
});

test("without negotiation there is no id", async () => {
  const options = { transport: "ws", protocol: "json", skipNegotiation: true };
  const client = await Client.connect(server.http("/hubs/test"), options);
  assert.deepEqual(client.connected, { connectionId: null });
  assert.equal(await client.invoke("Add", 1, 1), 2);
  await client.stop();
});

// When lines break

for (const [transport, protocol] of WAYS) {
  test(`${transport}, ${protocol}: it comes back as another, what was asked failed`, async () => {
    const proxy = await FaultProxy.start(server.address);
    const options = { transport, protocol, reconnect: [0, 100, 500, 2_000] };
    const client = await Client.connect(proxy.url("/hubs/par"), options);
    const asked = client.error("invoke", { method: "DelayedEcho", args: ["lost", 10_000] });
    assert.equal(await client.invoke("Add", 1, 1), 2);
    proxy.cut();
    assert.equal((await client.next("reconnecting")).event, "reconnecting");
    assert.ok(await asked);
    const { connectionId } = await client.next("reconnected");
    assert.notEqual(connectionId, client.connected.connectionId);
    assert.equal(await client.invoke("GetConnectionId"), connectionId);
    await client.stop();
    await proxy.close();
  });
}

for (const protocol of ["json", "messagepack"]) {
  test(`${protocol}: a stateful reconnect loses and repeats nothing`, async (t) => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    t.diagnostic(`SEED=${seed}`);
    const random = randomOf(seed);
    const proxy = await FaultProxy.start(server.address);
    proxy.fate = () => {
      const kind = ["cut", "late"][random(2)];
      return { kind, after: 500 + random(4_000) + 1_000 * proxy.cuts, delayMs: 1 + random(10) };
    };
    const options = { transport: "ws", protocol, stateful: true, on: { Receive: null } };
    const client = await Client.connect(proxy.url("/hubs/test"), options);
    const key = `${protocol} ${seed}`;
    const numbers = Array.from({ length: 200 }, (_, at) => at);
    await client.invoke("StartPush", 200, 2);
    const stream = await client.stream("Counter", 200, 2);
    const upload = client.value("upload", { method: "UploadSum", args: [], items: numbers });
    for (const number of numbers) {
      await client.value("send", { method: "Record", args: [key, number] });
    }
    assert.equal(await upload, (200 * 199) / 2);
    const [pushed, items] = [[], []];
    while (pushed.length < 200 || items.length < 200) {
      const event = await client.events.next(`more than ${pushed.length}, ${items.length}`);
      if (event.event === "call") pushed.push(event.args[1]);
      else if (event.event === "item") items.push(event.value);
      else assert.deepEqual(event, { event: "end", stream, error: null });
    }
    assert.deepEqual(pushed, numbers);
    assert.deepEqual(items, numbers);
    assert.deepEqual(await client.invoke("GetRecorded", key), numbers);
    assert.equal(await client.invoke("GetConnectionId"), client.connected.connectionId);
    assert.ok(proxy.cuts > 0, "a line broke");
    t.diagnostic(`${proxy.cuts} lines broke`);
    await client.stop();
    await proxy.close();
  });
}

// At servers that are not as they should be, and what is said to them

/** A server whose negotiate answers so, and whose WebSockets are given to `talk`. */
async function fake(answer, talk = () => {}) {
  const asked = new Inbox();
  const http = createServer((request, response) => {
    asked.push([request.method, request.url, request.headers]);
    const body = answer(request);
    response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  const sockets = new WebSocketServer({ server: http });
  sockets.on("connection", (socket, request) => {
    const heard = new Inbox();
    socket.on("message", (data, isBinary) => heard.push(isBinary ? data : data.toString()));
    // Whether something comes is for the test to say.
    Promise.resolve(talk(socket, heard, request)).catch(() => {});
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  after(() => {
    for (const socket of sockets.clients) socket.terminate();
    http.close();
  });
  return { url: `http://127.0.0.1:${http.address().port}/hub`, asked };
}

const OFFER = (more = {}) => JSON.stringify({
  negotiateVersion: 1, connectionId: "id", connectionToken: "token",
  availableTransports: [{ transport: "WebSockets", transferFormats: ["Text", "Binary"] }], ...more,
});
const JSON_WS = { transport: "ws", protocol: "json" };

for (const [what, answer, error] of [
  ["no hub", () => undefined, /404/],
  ["an error", () => '{"error":"not today"}', /not today/],
  ["no JSON", () => "<html>", /negotiate/],
  ["old SignalR", () => '{"ProtocolVersion":"1.5"}', /ASP\.NET/],
  ["no transport that is wanted", () => OFFER({ availableTransports: [] }), /'WebSockets' is not/],
]) {
  test(`negotiate: ${what}`, async () => {
    const { url } = await fake(answer);
    assert.match(await new Client().error("connect", { url, ...JSON_WS }), error);
  });
}

test("negotiate leads elsewhere, with another token, and not for ever", async () => {
  const there = await fake(() => OFFER(), async (socket, heard) => {
    await heard.next();
    socket.send(`{}${SEPARATOR}`);
  });
  const here = await fake(() => JSON.stringify({ url: there.url, accessToken: "other" }));
  const client = await Client.connect(here.url, { ...JSON_WS, token: "first", stateful: true });
  assert.equal(client.connected.connectionId, "id");
  const [[method, path, first], [, , second]] = [await here.asked.next(), await there.asked.next()];
  assert.deepEqual([method, path],
    ["POST", "/hub/negotiate?negotiateVersion=1&useStatefulReconnect=true"]);
  assert.deepEqual([first.authorization, second.authorization], ["Bearer first", "Bearer other"]);
  await client.stop();
  const circle = await fake(({ headers }) => JSON.stringify({ url: `http://${headers.host}/hub` }));
  assert.match(await new Client().error("connect", { url: circle.url, ...JSON_WS }), /redirection/);
});

test("json: what it says, byte by byte, and a handshake that comes in parts", async () => {
  const said = new Inbox();
  const { url } = await fake(() => OFFER(), async (socket, heard, request) => {
    said.push(request.url);
    said.push(await heard.next());
    // In parts, and the beginning of the next record with it.
    socket.send("{");
    socket.send(`}${SEPARATOR}{"type":6}${SEPARATOR}{"type":1,"target":"news","argum`);
    socket.send(`ents":[1,"\\u001e"]}${SEPARATOR}`);
    for (;;) said.push(await heard.next());
  });
  const client = await Client.connect(url, { ...JSON_WS, on: { News: null } });
  const { method, args } = await client.next("call");
  assert.deepEqual([method, args], ["News", [1, "\u001e"]]);
  const asked = client.ask("invoke", { method: "a\"b", args: [1, { x: null }] });
  await client.value("send", { method: "s", args: [] });
  const stream = await client.stream("c", 2);
  const upload = client.ask("upload", { method: "u", args: [0], items: [1, [2]], fail: "no" });
  await client.value("cancel", { stream });
  await client.value("stop");
  for (const answer of [await asked, await upload]) assert.equal(answer.ok, false);
  for (const text of [
    "/hub?id=token", '{"protocol":"json","version":1}',
    '{"type":1,"invocationId":"1","target":"a\\"b","arguments":[1,{"x":null}]}',
    '{"type":1,"target":"s","arguments":[]}',
    '{"type":4,"invocationId":"2","target":"c","arguments":[2]}',
    '{"type":1,"invocationId":"4","target":"u","arguments":[0],"streamIds":["3"]}',
    '{"type":2,"invocationId":"3","item":1}', '{"type":2,"invocationId":"3","item":[2]}',
    '{"type":3,"invocationId":"3","error":"no"}', '{"type":5,"invocationId":"2"}', '{"type":7}',
  ]) {
    assert.equal((await said.next(text)).replace(SEPARATOR, ""), text);
  }
});

test("messagepack: what it says and hears, byte by byte", async () => {
  const said = new Inbox();
  const { url } = await fake(() => OFFER(), async (socket, heard) => {
    said.push(await heard.next());
    socket.send(Buffer.from(`{}${SEPARATOR}`));
    said.push((await heard.next()).toString("hex"));
    // A result, in two parts: [3, {}, "1", 3, {"a": bin 01}].
    socket.send(Buffer.from("0c950380a1310381", "hex"));
    socket.send(Buffer.from("a161c40101", "hex"));
    said.push((await heard.next()).toString("hex"));
  });
  const client = await Client.connect(url, { transport: "ws", protocol: "messagepack" });
  assert.deepEqual(await client.invoke("m", 1, "x"), { a: "AQ==" });
  await client.value("stop");
  assert.equal(await said.next(), `{"protocol":"messagepack","version":1}${SEPARATOR}`);
  assert.equal(await said.next(), "0c960180a131a16d9201a17890");
  assert.equal(await said.next(), "049307c0c2");
});

test("a refused handshake, and a server that falls silent", async () => {
  const refusing = await fake(() => OFFER(), async (socket, heard) => {
    await heard.next();
    socket.send(`{"error":"no such protocol"}${SEPARATOR}`);
  });
  const error = await new Client().error("connect", { url: refusing.url, ...JSON_WS });
  assert.match(error, /no such protocol/);
  const silent = await fake(() => OFFER(), async (socket, heard) => {
    await heard.next();
    socket.send(`{}${SEPARATOR}`);
  });
  const client = await Client.connect(silent.url, { ...JSON_WS, serverTimeoutMs: 500 });
  assert.match((await client.next("closed")).error, /Server timeout elapsed/);
});

test("a Close that lets it come back, and one that does not", async () => {
  const closes = ['{"type":7,"allowReconnect":true}', '{"type":7,"error":"enough"}'];
  const { url } = await fake(() => OFFER(), async (socket, heard) => {
    await heard.next();
    socket.send(`{}${SEPARATOR}${closes.shift()}${SEPARATOR}`);
  });
  const client = await Client.connect(url, { ...JSON_WS, reconnect: [0, 0] });
  await client.next("reconnecting");
  await client.next("reconnected");
  const { error } = await client.next("closed");
  assert.equal(error, "Server returned an error on close: enough");
});
