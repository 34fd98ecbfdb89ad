/**
 * A WebSocket over HTTP/2 and TLS in a real browser (RFC 8441), and what other origins may not do.
 *
 *     OMNIWIRE=target/release/omniwire node http2.mjs
 *
 * Wants Debian's Chromium (or CHROMIUM=path) and openssl.
 */

import assert from "node:assert/strict";
import { check, finish } from "./checks.mjs";
import { launch, startSite } from "./pages.mjs";
import { startTls } from "./tls.mjs";

const LIMIT_MS = 20_000;
const server = await startTls();
const browser = await launch();
await check("the test ran to its end", () => run(browser));
await browser.close();
await check("the server ends well", () => server.stop());
process.exit(finish());

/** Opens a WebSocket in a page, says something, and tells what came back. */
function talk(page, url) {
  return page.evaluate(
    ([url, limit]) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url, ["omniwire.json.v1"]);
        const events = [];
        setTimeout(() => resolve({ events, late: true }), limit);
        socket.onmessage = ({ data }) => {
          events.push(JSON.parse(data));
          if (events.length === 1) socket.send('{"event":"say","args":["by h2"],"id":7}');
          if (events.at(-1).reply === 7) socket.close(1000);
        };
        socket.onclose = ({ code, wasClean }) => resolve({ events, code, wasClean });
      }),
    [url, LIMIT_MS],
  );
}

async function run(browser) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  // The browser offers extended CONNECT only where a connection of HTTP/2 is open already.
  await page.goto(`${server.url}/`);
  const socketUrl = `${server.url.replace("https", "wss")}/ws/chat`;
  await check("the page comes by HTTP/2", async () => {
    const protocol = () => performance.getEntriesByType("navigation")[0].nextHopProtocol;
    assert.equal(await page.evaluate(protocol), "h2");
  });
  await check("a WebSocket of the page talks", async () => {
    const { events, code, wasClean } = await talk(page, socketUrl);
    assert.equal(events.at(-1).result, "delivered");
    assert.deepEqual([code, wasClean], [1000, true]);
  });
  await check("the server saw it come by HTTP/2, and none by HTTP/1.1", () => {
    const opened = server.lines.filter((line) => line.includes("a WebSocket opens"));
    assert.ok(opened.some((line) => line.includes("HTTP/2.0")), opened.join("\n"));
    assert.ok(!opened.some((line) => line.includes("HTTP/1.1")), opened.join("\n"));
  });
  await check("a page of another origin is refused", async () => {
    const site = await startSite();
    const foreign = await context.newPage();
    await foreign.goto(`${site.url}/`);
    const { events, code } = await talk(foreign, socketUrl);
    assert.deepEqual([events, code], [[], 1006]);
    assert.ok(server.lines.some((line) => line.includes("refused a page of another origin")));
    site.close();
  });
  await context.close();
}
