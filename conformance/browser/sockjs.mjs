/**
 * sockjs-client in Chromium, on a page of another site, over each of its transports.
 *
 *     OMNIWIRE=target/release/omniwire node sockjs.mjs
 *
 * Wants Debian's Chromium (or CHROMIUM=path), and the packages of ../node.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Server } from "../node/server.mjs";
import { check, finish } from "./checks.mjs";
import { launch, startSite } from "./pages.mjs";

const LIMIT_MS = 60_000;

/** What a page of another site can use; those of Internet Explorer are none of Chromium's. */
const ANY_SITE = [
  "websocket",
  "xhr-streaming",
  "eventsource",
  "xhr-polling",
  "jsonp-polling",
  "iframe-eventsource",
  "iframe-htmlfile",
  "iframe-xhr-polling",
];

/** What needs a page of the server's own origin. */
const OWN_SITE = ["htmlfile"];

const script = new URL("../node/node_modules/sockjs-client/dist/sockjs.min.js", import.meta.url);
const page = "<!doctype html><title>x</title><script src=/sockjs.min.js></script>";
const files = {
  "/": ["text/html", page],
  "/sockjs.min.js": ["text/javascript", readFileSync(script)],
};
const site = await startSite(files);
const client = ["--sockjs-client-url", `${site.url}/sockjs.min.js`];
const command = ["conformance", "--suite", "sockjs", "--port", "0", ...client];
const ready = /listening on (?<address>127\.0\.0\.1:\d+)/;
const server = await Server.start(command, ready, {}, process.env.OMNIWIRE);
const browser = await launch();
await check("the test ran to its end", () => run(browser));
await browser.close();
await check("the server ends well", () => server.stop());
site.close();
process.exit(finish());

async function run(browser) {
  const foreign = await browser.newPage();
  await foreign.goto(`${site.url}/`);
  for (const transport of ANY_SITE) await checkTransport(foreign, transport);
  const own = await browser.newPage();
  // The greeting will do for a page.
  await own.goto(`${server.url}/echo`);
  await own.addScriptTag({ content: files["/sockjs.min.js"][1].toString() });
  for (const transport of OWN_SITE) await checkTransport(own, transport);

  await check("without WebSocket it falls back by itself", async () => {
    const { transport, heard } = await echo(foreign, "/disabled_websocket_echo", undefined, ["x"]);
    assert.deepEqual([transport, heard], ["xhr-streaming", ["x"]]);
  });
  await check("a page of another origin than the listed one is refused", async () => {
    const { closed } = await echo(foreign, "/locked_echo", undefined, ["x"]);
    assert.deepEqual(closed, [1002, "Cannot connect to server", false]);
  });
}

async function checkTransport(page, transport) {
  await check(`${transport}: every code unit comes back as it went`, async () => {
    const texts = ["100% %41 </script>\r\n\0\"\\", "ä漢😀", ...everyCodeUnit()];
    const { transport: used, heard } = await echo(page, "/echo", [transport], texts);
    assert.equal(used, transport);
    const wrong = texts.findIndex((text, index) => heard[index] !== text);
    assert.equal(wrong, -1, JSON.stringify([texts[wrong], heard[wrong]])?.slice(0, 300));
  });
  await check(`${transport}: the server's code and reason`, async () => {
    const { closed } = await echo(page, "/close", [transport], []);
    assert.deepEqual(closed, [3000, "Go away!", true]);
  });
}

/** All of UTF-16, half surrogates too, in texts of 4096. */
function everyCodeUnit() {
  const texts = [];
  for (let first = 0; first < 0x10000; first += 0x1000) {
    const units = Array.from({ length: 0x1000 }, (_, index) => first + index);
    texts.push(String.fromCharCode(...units));
  }
  return texts;
}

/**
 * Sends these texts one after the other, each when the last is back, then closes; without any,
 * waits for the server to close. Texts cross as arrays of code units, which nothing touches.
 */
async function echo(page, path, transports, texts) {
  const units = texts.map((text) => text.split("").map((unit) => unit.charCodeAt()));
  const result = await page.evaluate(
    ([url, transports, units, limit]) =>
      new Promise((resolve, reject) => {
        const texts = units.map((list) => String.fromCharCode(...list));
        // A busy machine is slower than the client's time limits allow.
        const line = new SockJS(url, null, { transports, timeout: limit });
        const heard = [];
        setTimeout(() => reject(new Error(`only ${heard.length} came back`)), limit);
        const next = () => {
          if (heard.length < texts.length) line.send(texts[heard.length]);
          else if (texts.length > 0) line.close();
        };
        let transport;
        line.onopen = () => {
          transport = line.transport;
          next();
        };
        line.onmessage = ({ data }) => {
          heard.push(data.split("").map((unit) => unit.charCodeAt()));
          next();
        };
        line.onclose = ({ code, reason, wasClean }) =>
          resolve({ transport, heard, closed: [code, reason, wasClean] });
      }),
    [`${server.url}${path}`, transports, units, LIMIT_MS],
  );
  return { ...result, heard: result.heard.map((list) => String.fromCharCode(...list)) };
}
