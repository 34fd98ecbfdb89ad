/** `omniwire conformance-client sockjs`, by contracts/sockjs.md: at our server, and at bad ones. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { createInterface } from "node:readline";

import { BINARY } from "../server.mjs";
import { Inbox, within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const server = suite("sockjs");
const TRANSPORTS = ["websocket", "xhr-streaming", "eventsource", "xhr-polling"];
const INFO = { websocket: true, origins: ["*:*"], cookie_needed: false, entropy: 1 };

/** The program under test, and the objects that it prints. */
class Client {
  static #running = new Set();
  #child;
  #printed = new Inbox();

  constructor(url, transports) {
    const more = transports === undefined ? [] : ["--transports", transports.join()];
    const command = ["conformance-client", "sockjs", "--url", url, ...more];
    this.#child = spawn(BINARY, command, { stdio: ["pipe", "pipe", "inherit"] });
    Client.#running.add(this.#child);
    const lines = createInterface(this.#child.stdout);
    lines.on("line", (line) => this.#printed.push(JSON.parse(line)));
    this.ended = once(this.#child, "exit");
  }

  static killAll() {
    for (const child of Client.#running) child.kill("SIGKILL");
  }

  /** The value of the next object that has this key. */
  async next(key) {
    return (await this.#printed.next(key, (printed) => key in printed))[key];
  }

  say(what) {
    this.#child.stdin.write(`${JSON.stringify(what)}\n`);
  }

  /** The close, after which the program must end well. */
  async closed() {
    const close = await this.next("close");
    const [code] = await within(this.ended, "the end of the program");
    assert.equal(code, 0);
    assert.deepEqual(this.#printed.drain(), [], "nothing follows a close");
    return close;
  }
}

after(() => Client.killAll());

// At our own server

for (const transport of TRANSPORTS) {
  test(`${transport}: texts come back as they went`, async () => {
    const client = new Client(server.http("/echo"), [transport]);
    assert.equal(await client.next("open"), transport);
    for (const text of ["x", "", "a\ud800b", "100% %41 </script>\r\n\0", "ä漢😀\u2028\ufff0"]) {
      client.say({ send: text });
      assert.equal(await client.next("message"), text);
    }
    const long = "ä漢😀x".repeat(100_000);
    client.say({ send: long });
    assert.equal(await client.next("message"), long);
    client.say({ close: [3001, "bye"] });
    assert.deepEqual(await client.closed(), [3001, "bye", true]);
  });

  test(`${transport}: messages that are sent at once arrive in order`, async () => {
    const client = new Client(server.http("/echo"), [transport]);
    await client.next("open");
    for (let number = 0; number < 500; number++) client.say({ send: `${number}` });
    for (let number = 0; number < 500; number++) {
      assert.equal(await client.next("message"), `${number}`);
    }
    client.say({ close: [] });
    assert.deepEqual(await client.closed(), [1000, "Normal closure", true]);
  });

  test(`${transport}: the server's code and reason`, async () => {
    const client = new Client(server.http("/close"), [transport]);
    assert.deepEqual(await client.closed(), [3000, "Go away!", true]);
  });
}

test("/elsewhere: the base_url of /info is where it goes", async () => {
  const client = new Client(server.http("/elsewhere"));
  await client.next("open");
  client.say({ send: "here" });
  assert.equal(await client.next("message"), "here");
});

test("no /info: 1002", async () => {
  const client = new Client(server.http("/nowhere"));
  assert.deepEqual(await client.closed(), [1002, "Cannot connect to server", false]);
});

// At servers that are not as they should be

/**
 * A server that answers as `answers` say: a function for each last part of a path. What has none
 * is 404, upgrades too. `asked` gets each request's transport, session and body.
 */
async function fake(answers) {
  const asked = new Inbox();
  const http = createServer(async (request, response) => {
    const [, , session, transport = "info"] = request.url.split("?")[0].split("/").slice(1);
    const body = (await request.setEncoding("utf8").toArray()).join("");
    asked.push({ transport, session, body });
    const answer = answers[transport] ?? ((response) => response.writeHead(404).end());
    answer(response, body);
  });
  http.on("upgrade", (request, socket) => {
    const [, , session, transport] = request.url.split("/").slice(1);
    asked.push({ transport, session });
    const refuse = () => socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    socket.on("error", () => {});
    (answers.websocket ?? refuse)(socket);
  });
  await once(http.listen(0, "127.0.0.1"), "listening");
  after(() => {
    http.close();
    http.closeAllConnections();
  });
  const answerInfo = (response) => response.end(JSON.stringify(INFO));
  answers.info ??= answerInfo;
  return { url: `http://127.0.0.1:${http.address().port}/service`, asked };
}

/** The transports that were tried, each with another session. */
function tried(asked) {
  const requests = asked.drain().filter(({ transport }) => transport !== "info");
  const names = new Set(requests.map(({ session }) => session));
  assert.equal(names.size, requests.length, "each attempt has a session of its own");
  return requests.map(({ transport }) => transport);
}

const ALL = ["websocket", "xhr_streaming", "eventsource", "xhr"];
const open = (response) => response.end("o\n");
const held = () => {};

test("every transport is tried in its order, and 2000 is the end", async () => {
  const { url, asked } = await fake({});
  assert.deepEqual(await new Client(url).closed(), [2000, "All transports failed", false]);
  assert.deepEqual(tried(asked), ALL);
});

test("what hangs is given up: upgrades, and answers that are held back", async () => {
  const polls = [open, held];
  const xhr = (response) => polls.shift()(response);
  // A proxy that buffers sends neither head nor body until the answer is complete.
  const all = { websocket: held, xhr_streaming: held, eventsource: held, xhr };
  const { url, asked } = await fake(all);
  const begun = performance.now();
  const client = new Client(url);
  assert.equal(await client.next("open"), "xhr-polling");
  const took = performance.now() - begun;
  assert.ok(took > 3 * 600 && took < 9_000, `${took} ms`);
  const seen = asked.drain().map(({ transport }) => transport);
  assert.deepEqual(seen.slice(0, 5), ["info", ...ALL]);
});

test("/info may say that there are no WebSockets", async () => {
  const info = (response) => response.end(JSON.stringify({ ...INFO, websocket: false }));
  const { url, asked } = await fake({ info });
  await new Client(url).closed();
  assert.deepEqual(tried(asked), ALL.slice(1));
});

test("one body is under way, and what is said meanwhile goes into the next", async () => {
  const sends = [];
  const polls = [open, held];
  const xhr = (response) => polls.shift()(response);
  const xhr_send = (response) => sends.push(response);
  const { url, asked } = await fake({ xhr, xhr_send });
  const client = new Client(url, ["xhr-polling"]);
  await client.next("open");
  for (const text of ["one", "two", "three"]) client.say({ send: text });
  const isSend = ({ transport }) => transport === "xhr_send";
  assert.equal((await asked.next("a send", isSend)).body, '["one"]');
  // Nothing else tells that it holds back: a second body would have come with the first.
  client.say({ send: "four" });
  sends.shift().writeHead(204).end();
  const gathered = [];
  while (gathered.length < 3) {
    gathered.push(...JSON.parse((await asked.next("a send", isSend)).body));
    sends.shift().writeHead(204).end();
  }
  assert.deepEqual(gathered, ["two", "three", "four"]);
});

test("a body that is refused ends the session with 1006", async () => {
  const polls = [open, held];
  const xhr_send = (response) => response.writeHead(404).end();
  const { url } = await fake({ xhr: (response) => polls.shift()(response), xhr_send });
  const client = new Client(url, ["xhr-polling"]);
  await client.next("open");
  client.say({ send: "lost" });
  const [code, , clean] = await client.closed();
  assert.deepEqual([code, clean], [1006, false]);
});

test("a second open frame is a lost session: 1006", async () => {
  const { url } = await fake({ xhr: open });
  const [code, , clean] = await new Client(url, ["xhr-polling"]).closed();
  assert.deepEqual([code, clean], [1006, false]);
});

test("an error status is a lost session: 1006", async () => {
  const polls = [open, (response) => response.writeHead(500).end()];
  const { url } = await fake({ xhr: (response) => polls.shift()(response) });
  const [code, , clean] = await new Client(url, ["xhr-polling"]).closed();
  assert.deepEqual([code, clean], [1006, false]);
});

test("frames that mean nothing are passed over, and none is asked for after a close", async () => {
  const frames = ["o", "h", "z", "a", "a{", "c[3000]", 'a["x"]', 'c[4321,"done"]', 'a["late"]'];
  const xhr = (response) => response.end(frames.map((frame) => `${frame}\n`).join(""));
  const { url, asked } = await fake({ xhr });
  const client = new Client(url, ["xhr-polling"]);
  assert.equal(await client.next("message"), "x");
  assert.deepEqual(await client.closed(), [4321, "done", true]);
  assert.deepEqual(tried(asked), ["xhr"]);
});
