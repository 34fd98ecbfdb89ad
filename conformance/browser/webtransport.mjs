/**
 * socket.io-client 4.8 over WebTransport in Chromium: alone and as what polling moves to.
 *
 *     OMNIWIRE=target/release/omniwire node webtransport.mjs
 *
 * Wants Debian's Chromium (or CHROMIUM=path), openssl, and the packages of ../node.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Server } from "../node/server.mjs";
import { check, finish } from "./checks.mjs";
import { launch, startSite } from "./pages.mjs";
import { assertTold, talk } from "./talk.mjs";
import { makeCertificate, startTls } from "./tls.mjs";

const LIMIT_MS = 20_000;
/** Without WebSocket, to which the client would go over if WebTransport took 200 ms. */
const MOVES = ["polling", "webtransport"];
/** The limit of a frame, and what `42["echo",""]` takes of it. */
const PAYLOAD_MAX = 1_000_000;
const AROUND = 13;
/** Events in each direction while the client moves. */
const COUNT = 300;

const CLIENTS = "../node/node_modules/socket.io-client/dist/";
const client = readFileSync(new URL(`${CLIENTS}socket.io.min.js`, import.meta.url));
const msgpackClient = readFileSync(new URL(`${CLIENTS}socket.io.msgpack.min.js`, import.meta.url));
const page = (name) => ["text/html", `<!doctype html><title>x</title><script src=/${name}.js></script>`];
const site = await startSite({
  "/4": page("4"),
  "/4.js": ["text/javascript", client],
  "/msgpack": page("msgpack"),
  "/msgpack.js": ["text/javascript", msgpackClient],
});
const certificate = makeCertificate();
const settings = {
  SIO_CORS: site.url,
  SIO_TRANSPORTS: "polling,websocket,webtransport",
  SIO_WT_CERT: certificate.certificate,
  SIO_WT_KEY: certificate.key,
};
const json = await start(settings);
const msgpack = await start({ ...settings, SIO_PARSER: "msgpack" });
const own = await startTls([], ["--webtransport", "true"]);
const browser = await launch();
await check("the test ran to its end", () => run(browser));
await browser.close();
await check("the servers end well", () => Promise.all([json.stop(), msgpack.stop(), own.stop()]));
site.close();
certificate.remove();
process.exit(finish());

function start(environment) {
  const command = ["conformance", "--suite", "socketio", "--port", "0"];
  const ready = /listening on (?<address>\S+:\d+)/;
  return Server.start(command, ready, environment, process.env.OMNIWIRE);
}

/** Options of the client: these transports, and whose certificate to take. */
function options(transports, hash = certificate.hash) {
  const hashes = [{ algorithm: "sha-256", value: Uint8Array.from(hash) }];
  const transportOptions = { webtransport: { serverCertificateHashes: hashes } };
  return { transports, transportOptions };
}

async function run(browser) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, bypassCSP: true });
  const onPage = async (url, body) => {
    const page = await context.newPage();
    await page.goto(url);
    await body(page);
    await page.close();
  };
  for (const [client, server, transports, title] of [
    ["4", json, ["webtransport"], "over WebTransport"],
    ["4", json, MOVES, "over polling, then WebTransport"],
    ["msgpack", msgpack, ["webtransport"], "in MessagePack over WebTransport"],
  ]) {
    await check(title, () =>
      onPage(`${site.url}/${client}`, async (page) => {
        const told = await page.evaluate(talk, [server.url, options(transports), LIMIT_MS]);
        assertTold(told, "webtransport");
      }),
    );
  }
  await check("a frame may be as long as maxPayload, and no longer", () =>
    onPage(`${site.url}/4`, async (page) => {
      const lens = [PAYLOAD_MAX - AROUND, PAYLOAD_MAX - AROUND + 1];
      const told = await page.evaluate(exceed, [json.url, options(["webtransport"]), lens, LIMIT_MS]);
      assert.deepEqual(told.echoed, lens[0]);
      assert.equal(told.reason, "transport close");
      assert.equal(told.again, "webtransport");
    }),
  );
  await check("what is said during the upgrade is neither lost nor repeated", () =>
    onPage(`${site.url}/4`, async (page) => {
      const told = await page.evaluate(move, [json.url, options(MOVES), COUNT, LIMIT_MS]);
      assert.deepEqual(told.way, ["polling", "webtransport"]);
      assert.deepEqual(told.bursts, numbers(COUNT));
      assert.deepEqual(told.echoes, numbers(told.echoes.length));
      assert.ok(told.echoes.length > 10, `${told.echoes.length} echoes`);
    }),
  );
  await check("a page of another origin than the listed one is refused", () =>
    onPage(`${site.url.replace("localhost", "127.0.0.1")}/4`, async (page) => {
      const told = page.evaluate(talk, [json.url, options(["webtransport"]), LIMIT_MS]);
      await assert.rejects(told, /webtransport error/);
    }),
  );
  await check("`omniwire serve` with its own page", () =>
    onPage(`${own.url}/`, async (page) => {
      await page.addScriptTag({ content: `${client}` });
      const told = await page.evaluate(chat, [own.url, options(["webtransport"], own.hash), LIMIT_MS]);
      assert.deepEqual(told, ["webtransport", "delivered"]);
    }),
  );
  await check("`omniwire serve` refuses a foreign page, and says which setting would let it", () =>
    onPage(`${site.url}/4`, async (page) => {
      const told = page.evaluate(chat, [own.url, options(["webtransport"], own.hash), LIMIT_MS]);
      await assert.rejects(told, /webtransport error/);
      const refused = own.lines.filter((line) => line.includes("refused a page of another origin"));
      assert.ok(refused.some((line) => line.includes("`origins` in the configuration")));
    }),
  );
  await context.close();
}

function numbers(count) {
  return Array.from({ length: count }, (_, number) => number);
}

/** In the page: a frame that passes, one that does not, and the client comes back. */
async function exceed([url, options, [most, tooMany], limit]) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("late")), limit));
  const socket = io(url, { forceNew: true, reconnectionDelay: 10, ...options });
  const next = (event) => new Promise((resolve) => socket.once(event, resolve));
  const dialog = async () => {
    await next("welcome");
    const back = next("echo-back");
    socket.emit("echo", "x".repeat(most));
    const echoed = (await back).length;
    const ended = next("disconnect");
    const returned = next("welcome");
    socket.emit("echo", "x".repeat(tooMany));
    const reason = await ended;
    await returned;
    const again = await new Promise((resolve) => socket.emit("transport", resolve));
    socket.disconnect();
    return { echoed, reason, again };
  };
  return Promise.race([dialog(), late]);
}

/** In the page: talks from the first moment on, in both directions, until after the upgrade. */
async function move([url, options, count, limit]) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("late")), limit));
  const socket = io(url, { forceNew: true, reconnection: false, ...options });
  const way = [];
  const bursts = [];
  const echoes = [];
  socket.on("b", (number) => bursts.push(number));
  socket.on("echo-back", (number) => echoes.push(number));
  const dialog = async () => {
    way.push(socket.io.engine.transport.name);
    const moved = new Promise((resolve) => socket.io.engine.once("upgrade", resolve));
    const burst = new Promise((resolve) => socket.emit("burst", count, 100, resolve));
    let said = 0;
    const talking = setInterval(() => socket.emit("echo", said++), 2);
    way.push((await moved).name);
    await burst;
    const after = said + 10;
    while (said < after) await new Promise((resolve) => setTimeout(resolve, 5));
    clearInterval(talking);
    await new Promise((resolve) => socket.emit("echo-ack", resolve));
    socket.disconnect();
    return { way, bursts, echoes };
  };
  return Promise.race([dialog(), late]);
}

/** In the page: says something in the demo's chat. */
async function chat([url, options, limit]) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("late")), limit));
  const socket = io(`${url}/chat`, { forceNew: true, reconnection: false, ...options });
  const dialog = new Promise((resolve, reject) => {
    socket.once("connect_error", reject);
    socket.once("connect", () => {
      const name = socket.io.engine.transport.name;
      socket.emit("say", "over WebTransport", (reply) => resolve([name, reply]));
    });
  });
  return Promise.race([dialog, late]).finally(() => socket.disconnect());
}
