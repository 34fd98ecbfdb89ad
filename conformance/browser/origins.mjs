/**
 * Cross-site WebSocket hijacking, and the same over every other way in: what a page of another
 * origin can do with the cookie of its visitor.
 *
 *     OMNIWIRE=target/release/omniwire COOKIE_BIN=target/debug/examples/cookie node origins.mjs
 *
 * Wants Debian's Chromium (or CHROMIUM=path) and openssl.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Inbox } from "../node/wait.mjs";
import { check, finish } from "./checks.mjs";
import { launch, startSite } from "./pages.mjs";
import { startTls } from "./tls.mjs";

const LIMIT_MS = 20_000;
const SETTING = "Builder::origins (or `origins` in the configuration) says which may";

/** What answers over each way in when it lets somebody in as the user of the cookie. */
const IN = {
  websocket: /"balance","args":\["ada",100\]/,
  eventSource: /\["ada",100\]/,
  poll: /"balance","args":\["ada",100\]/,
  sockjs: /^o\n/,
  socketio: /"sid"/,
  signalr: /connectionToken/,
  send: /\[\{"pong":1\}\]/,
};

const site = await startSite({ "/sandbox": ["text/html", "<iframe sandbox=allow-scripts src=/>"] });
// Browsers upgrade what one types to https, which is not what a page on the line would do.
const names = (secure) =>
  `MAP shop.test:80 127.0.0.1:${site.port},MAP shop.test:443 127.0.0.1:${secure}`;
const secure = await startTls(["shop.test"]);
const browser = await launch([
  `--host-resolver-rules=${names(secure.port)}`,
  "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable",
]);
await check("the test ran to its end", run);
await browser.close();
await secure.stop();
site.close();
process.exit(finish());

async function run() {
  await checkDefaults(await start());
  await checkListed(await start(site.url));
  await checkTls();
}

/** The example `cookie`; `logged` is what it logs. */
async function start(...origins) {
  const command = ["localhost:0", ...origins];
  const child = spawn(process.env.COOKIE_BIN, command, { stdio: ["ignore", "pipe", "pipe"] });
  process.once("exit", () => child.kill("SIGKILL"));
  const logged = new Inbox();
  createInterface({ input: child.stderr }).on("line", (line) => logged.push(line));
  const [announced] = await once(createInterface({ input: child.stdout }), "line");
  return { logged, url: `http://localhost:${announced.match(/:(\d+)$/)[1]}`, child };
}

/** A browser of somebody who has logged in there. */
async function loggedIn(server) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${server.url}/login`);
  return { context, page };
}

async function checkDefaults(server) {
  const { context, page } = await loggedIn(server);
  for (const [way, expected] of Object.entries(IN)) {
    await check(`${way}: a page of the server's own comes in by its cookie`, async () => {
      assert.match(await attempt(page, way, server.url), expected);
    });
  }
  for (const [from, url] of [
    ["another port of its host", `${site.url}/`],
    ["another host", `http://127.0.0.1:${site.port}/`],
    ["no origin", `${site.url}/sandbox`],
  ]) {
    const foreign = await context.newPage();
    await foreign.goto(url);
    const frame = foreign.frames().at(-1);
    for (const way of Object.keys(IN)) {
      await check(`${way}: a page of ${from} is refused, and the log says why`, async () => {
        server.logged.drain();
        assert.equal(await attempt(frame, way, server.url), "refused");
        await server.logged.next("the log line", (line) => line.includes(SETTING));
      });
    }
    await foreign.close();
  }
  server.child.kill();
}

/** Only the rule of origins stands in the way: where that lets a page in, its cookie does too. */
async function checkListed(server) {
  const { context } = await loggedIn(server);
  const listed = await context.newPage();
  await listed.goto(`${site.url}/`);
  for (const [way, expected] of Object.entries(IN)) {
    await check(`${way}: a page of a listed origin comes in by its visitor's cookie`, async () => {
      assert.match(await attempt(listed, way, server.url), expected);
    });
  }
  server.child.kill();
}

/** Whoever sits on the line can write http pages of any host. */
async function checkTls() {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  for (const [scheme, expected] of [["https", "open"], ["http", "refused"]]) {
    await check(`TLS: an ${scheme} page of the same host: ${expected}`, async () => {
      await page.goto(`${scheme}://shop.test/`);
      assert.equal(await page.evaluate(() => location.protocol), `${scheme}:`);
      const open = (limit) =>
        new Promise((resolve) => {
          const socket = new WebSocket("wss://shop.test/ws/chat");
          socket.onopen = () => resolve("open");
          socket.onclose = () => resolve("refused");
          setTimeout(() => resolve("neither"), limit);
        });
      assert.equal(await page.evaluate(open, LIMIT_MS), expected);
    });
  }
}

/** Tries one way in from a page: what came back first, or `refused`. */
function attempt(page, way, base) {
  return page.evaluate(
    ([way, base, limit]) => {
      const ask = async (path, init) => {
        const response = await fetch(base + path, { credentials: "include", ...init });
        return response.ok ? response.text() : "refused";
      };
      const post = (path, body = "") => ask(path, { method: "POST", body });
      const session = Math.random().toString(36).slice(2);
      const ways = {
        websocket: () =>
          new Promise((resolve) => {
            const url = `${base.replace("http", "ws")}/ws/account`;
            const socket = new WebSocket(url, ["omniwire.json.v1"]);
            const close = (outcome) => {
              socket.close();
              resolve(outcome);
            };
            socket.onmessage = ({ data }) => data.includes("balance") && close(data);
            socket.onclose = () => resolve("refused");
          }),
        eventSource: () =>
          new Promise((resolve) => {
            const source = new EventSource(`${base}/sse/account`, { withCredentials: true });
            const close = (outcome) => {
              source.close();
              resolve(outcome);
            };
            source.addEventListener("balance", ({ data }) => close(data));
            source.onerror = () => close("refused");
          }),
        poll: () => ask("/poll/account"),
        sockjs: () => post(`/sockjs/account/000/${session}/xhr`),
        socketio: () => ask("/socket.io/?EIO=4&transport=polling"),
        signalr: () => post("/signalr/account/negotiate?negotiateVersion=1"),
        send: () => post("/send/account", '{"ping":1}'),
      };
      const late = new Promise((resolve) => setTimeout(() => resolve("nothing came"), limit));
      // What the browser does not let the page read is refused as well.
      return Promise.race([ways[way]().catch(() => "refused"), late]);
    },
    [way, base, LIMIT_MS],
  );
}
