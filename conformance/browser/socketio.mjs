/**
 * socket.io-client 4.8 and 2.5, and socket.io-msgpack-parser, in Chromium, on a page of another
 * site, over each of their transports.
 *
 *     OMNIWIRE=target/release/omniwire node socketio.mjs
 *
 * Wants Debian's Chromium (or CHROMIUM=path), and the packages of ../node.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Server } from "../node/server.mjs";
import { check, finish } from "./checks.mjs";
import { launch, startSite } from "./pages.mjs";

const LIMIT_MS = 20_000;
const CLIENTS = {
  4: "socket.io-client/dist/socket.io.min.js",
  2: "socket.io-client-2/dist/socket.io.js",
  msgpack: "socket.io-client/dist/socket.io.msgpack.min.js",
};
const POLLING = { transports: ["polling"] };
const WEBSOCKET = { transports: ["websocket"] };

const site = await startSite(Object.fromEntries(Object.entries(CLIENTS).flatMap(pageOf)));
const settings = { SIO_CORS: site.url, SIO_COOKIE: "io", SIO_EIO3: "1" };
const json = await start(settings);
const msgpack = await start({ ...settings, SIO_PARSER: "msgpack" });
const browser = await launch();
await check("the test ran to its end", () => run(browser));
await browser.close();
await check("the servers end well", () => Promise.all([json.stop(), msgpack.stop()]));
site.close();
process.exit(finish());

/** A page with a client, and the client. */
function pageOf([name, path]) {
  const script = readFileSync(new URL(`../node/node_modules/${path}`, import.meta.url));
  const html = `<!doctype html><meta charset=utf-8><title>x</title><script src=/${name}.js></script>`;
  return [[`/${name}`, ["text/html", html]], [`/${name}.js`, ["text/javascript", script]]];
}

function start(environment) {
  const command = ["conformance", "--suite", "socketio", "--port", "0"];
  const ready = /listening on (?<address>\S+:\d+)/;
  return Server.start(command, ready, environment, process.env.OMNIWIRE);
}

async function run(browser) {
  for (const [client, server, options, transport, title] of [
    ["4", json, POLLING, "polling", "4.8 over polling"],
    ["4", json, WEBSOCKET, "websocket", "4.8 over WebSocket"],
    ["4", json, {}, "websocket", "4.8 over polling, then WebSocket"],
    ["2", json, POLLING, "polling", "2.5 over polling"],
    ["2", json, { ...POLLING, forceJSONP: true }, "polling", "2.5 over JSONP"],
    ["2", json, { ...POLLING, forceBase64: true }, "polling", "2.5 over polling in base64"],
    ["2", json, WEBSOCKET, "websocket", "2.5 over WebSocket"],
    ["2", json, {}, "websocket", "2.5 over polling, then WebSocket"],
    ["msgpack", msgpack, POLLING, "polling", "4.8 in MessagePack over polling"],
    ["msgpack", msgpack, WEBSOCKET, "websocket", "4.8 in MessagePack over WebSocket"],
  ]) {
    const page = await browser.newPage();
    await page.goto(`${site.url}/${client}`);
    await check(title, async () => {
      const told = await page.evaluate(talk, [server.url, options, LIMIT_MS]);
      const { back, made, rooms, reason, transport: used, requests, scripts } = told;
      assert.deepEqual(back, ["ä漢😀\u2028</script>", { deep: [[1, 2, 255]] }, null, 1.5]);
      assert.deepEqual(made, [[[0], [1]], [0xde, 0xad, 0xbe, 0xef], "t"]);
      assert.deepEqual(rooms, ["a", "b"]);
      assert.equal(used, transport);
      assert.equal(reason, "io server disconnect");
      if (options.forceJSONP) assert.ok(scripts > 2, `${scripts} scripts`);
      assert.ok(requests > 0 || transport === "websocket", `${requests} requests`);
    });
    await page.close();
  }
  await check("a cookie comes with credentials, and the browser keeps it", async () => {
    const page = await browser.newPage();
    await page.goto(`${site.url}/4`);
    const options = { ...POLLING, withCredentials: true };
    await page.evaluate(talk, [json.url.replace("127.0.0.1", "localhost"), options, LIMIT_MS]);
    const names = (await page.context().cookies()).map(({ name, httpOnly }) => [name, httpOnly]);
    assert.deepEqual(names, [["io", true]]);
    await page.close();
  });
  await check("a page of another origin than the listed one is refused", async () => {
    const page = await browser.newPage();
    await page.goto(`${site.url.replace("localhost", "127.0.0.1")}/4`);
    const failed = page.evaluate(talk, [json.url, POLLING, LIMIT_MS]);
    await assert.rejects(failed, /xhr poll error/);
    await page.close();
  });
}

/** Runs in the page: connects, echoes, asks, joins, is put out; what it saw of all this. */
async function talk([url, options, limit]) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("late")), limit));
  const bytes = (value) => [...new Uint8Array(value)];
  const socket = io(url, { forceNew: true, reconnection: false, ...options });
  const first = (event) => new Promise((resolve, reject) => {
    socket.once(event, (...args) => resolve(args));
    for (const failed of ["connect_error", "error"]) {
      socket.once(failed, (error) => reject(new Error(error.message ?? error)));
    }
  });
  const ask = (event, ...args) => new Promise((resolve) => socket.emit(event, ...args, resolve));
  const dialog = async () => {
    const upgraded = new Promise((resolve) => {
      if (options.transports) return resolve();
      (socket.io.engine ?? socket.io).once("upgrade", resolve);
    });
    await first("welcome");
    await upgraded;
    const back = first("echo-back");
    socket.emit("echo", "ä漢😀\u2028</script>", { deep: [Uint8Array.of(1, 2, 255).buffer] }, null, 1.5);
    const [text, { deep }, ...rest] = await back;
    const { list, nested } = await ask("make-bin", 2);
    const rooms = await ask("join", ["b", "a"]);
    const transport = await ask("transport");
    const ended = new Promise((resolve) => socket.once("disconnect", resolve));
    socket.emit("bye", false);
    const seen = performance.getEntriesByType("resource").filter(({ name }) => /EIO=/.test(name));
    return {
      back: [text, { deep: deep.map(bytes) }, ...rest],
      made: [list.map(bytes), bytes(nested.deep.blob), nested.deep.text],
      rooms, transport, reason: await ended, requests: seen.length,
      scripts: seen.filter(({ initiatorType }) => initiatorType === "script").length,
    };
  };
  return Promise.race([dialog(), late]);
}
