/** Every kind of client through nginx, set up as docs/nginx.md says, and with its defaults. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

import { LongPoll, ServerSentEvents } from "./clients/http.mjs";
import { SignalR } from "./clients/signalr.mjs";
import { SockJs } from "./clients/sockjs.mjs";
import { SocketIo } from "./clients/socketio.mjs";
import { EnvelopeSocket, RawSocket } from "./clients/websocket.mjs";
import { handshake, RawConnection } from "./raw.mjs";
import { startDemo, startSuite } from "./server.mjs";
import { within } from "./wait.mjs";

const PAGE = readFileSync(new URL("../../docs/nginx.md", import.meta.url), "utf8");
const [RECOMMENDED, DEFAULTS] = [...PAGE.matchAll(/```nginx\n(.*?)```/gs)].map(([, text]) => text);

/** A session that is polled lives for 15 s without a poll. */
const GONE_MS = 25_000;

let server;
let direct;
before(async () => {
  server = await startDemo();
  direct = await new EnvelopeSocket().connect(server.url);
});
after(async () => {
  await direct?.close();
  await server?.stop();
});

/** nginx with one of the page's samples, on a free port and in a folder of its own. */
class Nginx {
  #folder = mkdtempSync(join(tmpdir(), "omniwire-nginx-"));
  #process;

  static async start(sample, upstream) {
    const nginx = new Nginx();
    const port = await freePort();
    const site = sample.replaceAll("127.0.0.1:8000", upstream);
    assert.notEqual(site, sample);
    const at = site.replace("listen 80;", `listen 127.0.0.1:${port};`);
    assert.notEqual(at, site);
    const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    const folders = paths.map((name) => `${name}_temp_path ${name};`).join(" ");
    // As Debian has it: answers are compressed.
    const http = `access_log off; gzip on; gzip_proxied any; ${folders}\n${at}`;
    const whole = `daemon off; pid nginx.pid; events {}\nhttp {\n${http}}\n`;
    const file = join(nginx.#folder, "nginx.conf");
    writeFileSync(file, whole);
    // Its workers are of another user, if it is started by root.
    chmodSync(nginx.#folder, 0o711);
    const log = ["-e", "stderr", "-g", "error_log stderr notice;"];
    const command = ["-p", nginx.#folder, "-c", file, ...log];
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
    nginx.#process = spawn("nginx", command, { stdio: ["ignore", "ignore", "pipe"], env });
    process.once("exit", () => nginx.#process.kill("SIGKILL"));
    await within(nginx.#ready(), "nginx to start");
    nginx.url = `http://127.0.0.1:${port}`;
    nginx.address = { host: "127.0.0.1", port };
    return nginx;
  }

  #ready() {
    const lines = [];
    return new Promise((resolve, reject) => {
      createInterface(this.#process.stderr).on("line", (line) => {
        lines.push(line);
        if (line.includes("start worker process ")) resolve();
      });
      this.#process.once("error", reject);
      this.#process.once("exit", () => reject(new Error(`nginx ended:\n${lines.join("\n")}`)));
    });
  }

  async stop() {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await within(ended, "the end of nginx");
    rmSync(this.#folder, { recursive: true });
  }
}

async function freePort() {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address();
  await new Promise((resolve) => taken.close(resolve));
  return port;
}

/** `through` comes by nginx: what either says the other hears at once, and it goes again. */
async function talks(through, url, carrier) {
  await within(through.connect(url), "to connect through nginx", 20_000);
  if (carrier !== undefined) assert.match(through.me.carrier, carrier);
  const ours = ({ from }) => [through.me.id, direct.me.id].includes(from.id ?? from);
  direct.said.drain();
  // More than one buffer of nginx's, and escapes on the way.
  for (const text of ["ä 100% %41 </script>\n", "x".repeat(20_000), "again"]) {
    await through.say(text);
    assert.equal((await direct.said.next("what it said", ours)).text, text);
    await direct.say(text);
    assert.equal((await through.said.next("what it hears", ours)).text, text);
  }
  await through.close();
  const gone = () => !direct.members.some(({ id }) => id === through.me.id);
  // A client that polls may be between two polls, and is waited for.
  await direct.until(gone, "it to be off the list", GONE_MS);
}

async function status(url, headers) {
  const response = await fetch(url, { headers });
  await response.body?.cancel();
  return response.status;
}

async function upgrade(nginx, path) {
  const connection = new RawConnection(nginx.address);
  connection.write(handshake(path, { Host: `127.0.0.1:${nginx.address.port}` }));
  const { status } = await connection.answer();
  connection.destroy();
  return status;
}

/** What works whatever nginx is told. */
function fallbacks(sample, nginx) {
  for (const transport of ["xhr-streaming", "eventsource", "xhr-polling"]) {
    test(`SockJS by ${transport}`, () => talks(new SockJs(transport), nginx().url));
  }
  test("Socket.IO by polling", () => talks(new SocketIo(["polling"]), nginx().url, /polling/));
  for (const transport of ["ServerSentEvents", "LongPolling"]) {
    test(`SignalR by ${transport}`, () => talks(new SignalR(transport), nginx().url));
  }
  test("server-sent events", () => talks(new ServerSentEvents(), nginx().url));
  test("long polling", () => talks(new LongPoll(), nginx().url));

  test("htmlfile and jsonp, where they are on, are not held back", async () => {
    // In the demo they are off.
    const suite = await startSuite("sockjs");
    const before = await Nginx.start(sample, suite.host);
    for (const transport of ["htmlfile", "jsonp"]) {
      const stop = new AbortController();
      // As a browser asks: it takes compressed answers.
      const url = `${before.url}/echo/000/${transport}/${transport}?c=_jp.a`;
      const response = await fetch(url, { signal: stop.signal });
      const reader = response.body.getReader();
      let text = "";
      while (!text.includes('"o"')) {
        const { value, done } = await within(reader.read(), `${transport} to open`);
        assert.ok(!done, text);
        text += Buffer.from(value).toString();
      }
      stop.abort();
    }
    await before.stop();
    await suite.stop();
  });
}

describe("with the recommended settings", () => {
  let nginx;
  before(async () => {
    nginx = await Nginx.start(RECOMMENDED, server.host);
  });
  after(() => nginx?.stop());

  fallbacks(RECOMMENDED, () => nginx);
  test("WebSocket", () => talks(new EnvelopeSocket(), nginx.url, /websocket/i));
  test("raw WebSocket", () => talks(new RawSocket(), nginx.url));
  test("SockJS by websocket", () => talks(new SockJs("websocket"), nginx.url, /websocket/));
  test("Socket.IO moves up to a WebSocket", () =>
    talks(new SocketIo(["polling", "websocket"]), nginx.url));
  test("SignalR takes a WebSocket", () => talks(new SignalR(), nginx.url, /websocket/i));

  test("nginx's own pages may use it, and others may not", async () => {
    assert.equal(await status(`${nginx.url}/poll/chat`, { Origin: nginx.url }), 200);
    assert.equal(await status(`${nginx.url}/poll/chat`, { Origin: "http://a.example" }), 403);
  });

  test("a body of 3 MB comes through", async () => {
    const body = JSON.stringify({ ping: "x".repeat(3_000_000) });
    const response = await fetch(`${nginx.url}/send/chat`, { method: "POST", body });
    assert.equal(response.status, 200);
    assert.equal((await response.text()).length, body.length + 2);
  });
});

describe("with nginx's defaults", () => {
  let nginx;
  before(async () => {
    nginx = await Nginx.start(DEFAULTS, server.host);
  });
  after(() => nginx?.stop());

  fallbacks(DEFAULTS, () => nginx);

  test("a WebSocket is refused at once, in words that clients fall back by", async () => {
    for (const path of ["/ws/chat", "/sockjs/chat/000/x/websocket", "/signalr/chat?id=x"]) {
      const refusal = await upgrade(nginx, path);
      assert.ok(refusal >= 400 && refusal < 500, `${path}: ${refusal}`);
    }
  });

  test("SockJS falls back to a stream", () => talks(new SockJs(), nginx.url, /xhr-streaming/));
  test("SignalR falls back to server-sent events", () =>
    talks(new SignalR(), nginx.url, /serversentevents|server-sent/i));

  test("Socket.IO stays with polling, and goes on", async () => {
    const socket = io(`${nginx.url}/chat`, { forceNew: true, reconnection: false });
    // The probe of the WebSocket.
    const failed = new Promise((resolve) => socket.io.engine.once("upgradeError", resolve));
    await within(once(socket, "hello"), "hello");
    await within(failed, "the upgrade to fail");
    assert.equal(socket.io.engine.transport.name, "polling");
    assert.equal(await socket.emitWithAck("say", "still here"), "delivered");
    socket.disconnect();
  });

  test("a browser's page is refused, since nginx hides what host it came to", async () => {
    assert.equal(await status(`${nginx.url}/poll/chat`, { Origin: nginx.url }), 403);
    assert.equal(await status(`${nginx.url}/poll/chat`, {}), 200);
  });

  test("a body of 3 MB is refused by nginx", async () => {
    const body = JSON.stringify({ ping: "x".repeat(3_000_000) });
    const response = await fetch(`${nginx.url}/send/chat`, { method: "POST", body });
    assert.equal(response.status, 413);
  });
});
