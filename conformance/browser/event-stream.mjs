/**
 * The browser's own EventSource, on a page of another origin, over a line that is cut: it comes
 * back by itself, and misses nothing.
 *
 *     OMNIWIRE=target/release/omniwire node event-stream.mjs
 *
 * Wants Debian's Chromium (or CHROMIUM=path).
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { Server } from "../node/server.mjs";
import { check, finish } from "./checks.mjs";
import { launch, startSite } from "./pages.mjs";

const LIMIT_MS = 20_000;
const command = ["conformance", "--suite", "plain", "--port", "0"];
const ready = /listening on (?<address>127\.0\.0\.1:\d+)/;
const server = await Server.start(command, ready, {}, process.env.OMNIWIRE);
const site = await startSite();
const line = await startLine(Number(server.host.split(":")[1]));
const browser = await launch();
await check("the test ran to its end", () => run(browser));
await browser.close();
await check("the server ends well", () => server.stop());
line.close();
site.close();
process.exit(finish());

/** What lies between the browser and the server, and can be cut. */
async function startLine(port) {
  const both = new Set();
  const line = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [[near, far], [far, near]]) {
      both.add(from);
      from.pipe(to);
      from.on("error", () => {});
      from.on("close", () => both.delete(from) && to.destroy());
    }
  });
  await once(line.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${line.address().port}`,
    cut: () => both.forEach((socket) => socket.destroy()),
    close: () => line.close(),
  };
}

async function publish(room, ...args) {
  const response = await fetch(`${server.url}/bar/publish`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ room, event: "news", args }),
  });
  assert.ok(response.ok, `${response.status}`);
}

/** The browser asks for gzip by itself; each event must be there before the next is said. */
async function compressed(browser) {
  const page = await browser.newPage();
  await page.goto(`${site.url}/`);
  const answered = page.waitForResponse((response) => response.url().includes("/gzip/"));
  await page.evaluate(([url]) => {
    window.news = [];
    window.source = new EventSource(`${url}/gzip/sse/chat?room=gzip`);
    source.addEventListener("omniwire", ({ data }) => (window.joined ||= data.includes("resume")));
    source.addEventListener("news", ({ data }) => news.push(JSON.parse(data)[0]));
  }, [server.url]);
  await check("Chromium's stream is compressed where that is on", async () => {
    assert.equal((await answered).headers()["content-encoding"], "gzip");
  });
  await check("and nothing waits in the compressor", async () => {
    await page.waitForFunction(() => window.joined, undefined, { timeout: LIMIT_MS });
    for (let number = 0; number < 20; number++) {
      await publish("gzip", number);
      const heard = (count) => news.length === count;
      await page.waitForFunction(heard, number + 1, { timeout: LIMIT_MS });
    }
    assert.deepEqual(await page.evaluate(() => news), [...Array(20).keys()]);
  });
  await page.close();
}

async function run(browser) {
  await compressed(browser);
  const page = await browser.newPage();
  await page.goto(`${site.url}/`);
  await page.evaluate(([url]) => {
    window.opened = 0;
    window.errors = 0;
    window.news = [];
    window.resumed = [];
    window.source = new EventSource(`${url}/sse/chat?room=browser`);
    source.onopen = () => (opened += 1);
    source.onerror = () => (errors += 1);
    source.addEventListener("news", ({ data, lastEventId }) => {
      news.push({ args: JSON.parse(data), id: lastEventId });
    });
    source.addEventListener("omniwire", ({ data }) => {
      const envelope = JSON.parse(data);
      if (envelope.resume !== undefined) resumed.push(envelope);
    });
  }, [line.url]);
  const until = (what) => page.waitForFunction(what, undefined, { timeout: LIMIT_MS });
  const words = () => page.evaluate(() => news.map(({ args }) => args[0]));

  await check("it opens before anything is said, and joins its room", async () => {
    await until(() => opened === 1 && resumed.length === 1);
  });
  await check("event, data and id arrive", async () => {
    await publish("browser", "ä\n\r\u2028 100% </script>", { a: [null] });
    await until(() => news.length === 1);
    const [{ args, id }] = await page.evaluate(() => news);
    assert.deepEqual(args, ["ä\n\r\u2028 100% </script>", { a: [null] }]);
    assert.notEqual(id, "");
  });
  await check("after a cut it comes back by itself, and misses nothing", async () => {
    line.cut();
    await until(() => errors === 1);
    // It has not come back yet: it waits for the two seconds of our `retry:`.
    for (const word of ["missed", "missed too"]) await publish("browser", word);
    const begun = performance.now();
    await until(() => opened === 2 && news.length === 3);
    const took = performance.now() - begun;
    assert.ok(took > 1_000 && took < 4_000, `${took} ms`);
    await publish("browser", "live");
    await until(() => news.length === 4);
    assert.deepEqual((await words()).slice(1), ["missed", "missed too", "live"]);
    assert.equal(await page.evaluate(() => resumed.at(-1).resume), "recovered");
  });
  await check("closed, it is gone, and comes back no more", async () => {
    await page.evaluate(() => source.close());
    await publish("browser", "to nobody");
    const state = () => [opened, news.length, source.readyState];
    assert.deepEqual(await page.evaluate(state), [2, 4, 2]);
  });
}
