/**
 * Microsoft's SignalR client in a real browser: npm's bundle in a page of another origin, with the
 * cases of `../node/functional.mjs`, over each transport and in both encodings.
 *
 *     OMNIWIRE=target/release/omniwire node signalr.mjs
 *
 * Wants Debian's Chromium (or CHROMIUM=path).
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { check, finish } from "./checks.mjs";

const BUNDLES = "../node/node_modules/@microsoft/";
const FILES = {
  "/signalr.js": `${BUNDLES}signalr/dist/browser/signalr.js`,
  "/msgpack.js": `${BUNDLES}signalr-protocol-msgpack/dist/browser/signalr-protocol-msgpack.js`,
  "/functional.mjs": "../node/functional.mjs",
};
const PAGE = `<!doctype html><meta charset="utf-8"><title>SignalR</title>
<script src="/signalr.js"></script><script src="/msgpack.js"></script>
<script type="module">
  import { cases } from "/functional.mjs";
  const { MessagePackHubProtocol } = signalR.protocols.msgpack;
  window.cases = (url) => cases({ ...signalR, MessagePackHubProtocol }, url, true);
</script>`;

const server = await start();
const pages = createServer(serve).listen(0, "127.0.0.1");
await once(pages, "listening");
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run"],
});
await check("the test ran to its end", () => run(browser));
await browser.close();
pages.close();
const ended = once(server.process, "exit");
server.process.kill("SIGTERM");
await check("the server ends well", async () => assert.equal((await ended)[0], 0));
process.exit(finish());

async function run(browser) {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${pages.address().port}/`);
  await page.waitForFunction(() => window.cases !== undefined);
  const titles = await page.evaluate((url) => cases(url).map(({ title }) => title), server.url);
  assert.ok(titles.length > 90, `${titles.length} cases`);
  for (const [index, title] of titles.entries()) {
    const play = ([url, index]) =>
      cases(url)[index].run().then(() => null, (error) => String(error?.stack ?? error));
    await check(title, async () => {
      assert.equal(await page.evaluate(play, [server.url, index]), null);
    });
  }
}

async function start() {
  const command = ["conformance", "--suite", "signalr", "--port", "0"];
  const process_ = spawn(process.env.OMNIWIRE, command, { stdio: ["ignore", "pipe", "inherit"] });
  const [announced] = await once(createInterface({ input: process_.stdout }), "line");
  return { process: process_, url: `http://${announced.match(/listening on (\S+)/)[1]}` };
}

function serve(request, response) {
  const file = FILES[request.url];
  const type = file ? "text/javascript" : "text/html";
  response.writeHead(file || request.url === "/" ? 200 : 404, { "Content-Type": type });
  response.end(file ? readFileSync(new URL(file, import.meta.url)) : PAGE);
}
