/**
 * A WebSocket over HTTP/2 and TLS in a real browser (RFC 8441), and what other origins may not do.
 *
 *     OMNIWIRE=target/release/omniwire node http2.mjs
 *
 * Wants Debian's Chromium (or CHROMIUM=path) and openssl.
 */

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { check, finish } from "./checks.mjs";

const LIMIT_MS = 20_000;
const folder = mkdtempSync(join(tmpdir(), "omniwire-"));
const server = await start();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
});
await check("the test ran to its end", () => run(browser));
await browser.close();
const ended = once(server.process, "exit");
server.process.kill("SIGTERM");
await check("the server ends well", async () => assert.equal((await ended)[0], 0));
rmSync(folder, { recursive: true });
process.exit(finish());

/** The server, with a certificate made for it; `lines` is what it logs. */
async function start() {
  const [certificate, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", key, "-out", certificate];
  execFileSync("openssl", ["req", "-x509", ...curve, ...subject, ...files], { stdio: "pipe" });
  const flags = ["--host", "localhost", "--tls-cert", certificate, "--tls-key", key];
  const command = ["serve", "--port", "0", "--log", "omniwire=debug", ...flags];
  const process_ = spawn(process.env.OMNIWIRE, command, { stdio: ["ignore", "pipe", "pipe"] });
  const lines = [];
  createInterface({ input: process_.stderr }).on("line", (line) => lines.push(line));
  const [announced] = await once(createInterface({ input: process_.stdout }), "line");
  const port = announced.match(/https:\/\/[^/]*:(\d+)\//)[1];
  return { process: process_, lines, url: `https://localhost:${port}` };
}

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
    const foreign = await context.newPage();
    // Its origin is `null`.
    await foreign.goto("data:text/html,elsewhere");
    const { events, code } = await talk(foreign, socketUrl);
    assert.deepEqual([events, code], [[], 1006]);
  });
  await context.close();
}
