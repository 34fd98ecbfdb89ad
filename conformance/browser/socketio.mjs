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
import { assertTold, talk } from "./talk.mjs";

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
      const { requests, scripts } = told;
      assertTold(told, transport);
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
