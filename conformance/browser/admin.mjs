/**
 * Socket.IO's official Admin UI, the static page of npm's `@socket.io/admin-ui`, in Chromium, from
 * another origin: what it shows of our server, and what it does to its sockets.
 *
 *     OMNIWIRE=target/release/omniwire node admin.mjs
 *
 * Wants Debian's Chromium (or CHROMIUM=path), and the packages of ../node. Pictures go to ../../out.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Server } from "../node/server.mjs";
import { within } from "../node/wait.mjs";
import { check, finish } from "./checks.mjs";
import { launch, startSite } from "./pages.mjs";

const { io } = createRequire(new URL("../node/", import.meta.url))("socket.io-client");
const UI = new URL("node_modules/@socket.io/admin-ui/ui/dist/", import.meta.url);
const PICTURES = fileURLToPath(new URL("../../out/", import.meta.url));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

mkdirSync(PICTURES, { recursive: true });
const site = await startSite(files());
const environment = { SIO_ADMIN: "1", SIO_CORS: site.url, SIO_NODE: "node-one" };
const command = ["conformance", "--suite", "socketio", "--port", "0"];
const ready = /listening on (?<address>\S+:\d+)/;
const server = await Server.start(command, ready, environment, process.env.OMNIWIRE);
const browser = await launch();
await check("the test ran to its end", () => run(browser));
await browser.close();
await check("the server ends well", () => server.stop());
site.close();
process.exit(finish());

/** The page's files by path. */
function files() {
  const found = {};
  for (const path of readdirSync(UI, { recursive: true })) {
    const type = TYPES[extname(path)] ?? (extname(path) === ".svg" ? "image/svg+xml" : undefined);
    if (type) found[`/${path}`] = [type, readFileSync(new URL(path, UI))];
  }
  found["/"] = found["/index.html"];
  return found;
}

async function run(browser) {
  const page = await browser.newPage({ viewport: { width: 1440, height: 1000 } });
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  const options = { transports: ["websocket"], forceNew: true, reconnection: false };
  const one = io(`${server.url}/chat`, { ...options, query: { who: "one" } });
  await within(once(one, "connect"), "one");

  await check("the page connects", async () => {
    await page.goto(`${site.url}/`);
    await page.getByLabel("Server URL").fill(server.url);
    await page.getByRole("button", { name: "Connect" }).click();
    await page.getByText("node-one").or(page.getByText("Connected")).first().waitFor();
  });
  const main = page.locator("main");
  const go = (name) => page.getByRole("link", { name }).first().click();
  const look = (name) => page.screenshot({ path: `${PICTURES}/admin-${name}.png` });
  await check("the dashboard counts clients, servers and sockets of namespaces", async () => {
    await main.getByRole("row", { name: /WebSocket 2 100/ }).waitFor();
    await main.getByRole("row", { name: /^healthy 1 100/i }).first().waitFor();
    await main.getByRole("row", { name: /\/chat 1/ }).waitFor();
    await look("dashboard");
  });
  await check("a socket that went over to a WebSocket is shown so", async () => {
    await go("Sockets");
    await main.getByRole("row", { name: /127\.0\.0\.1 WebSocket/ }).waitFor();
    await look("sockets");
  });
  await check("clients come and go", async () => {
    await go("Clients");
    await main.getByText("1-2 of 2").waitFor();
    const two = io(`${server.url}/chat`, options);
    await main.getByText("1-3 of 3").waitFor();
    two.disconnect();
    await main.getByText("1-2 of 2").waitFor();
    await look("clients");
  });
  await check("the server is told by its name", async () => {
    await go("Servers");
    await main.getByRole("row", { name: /node-one.*healthy/i }).waitFor();
  });
  one.disconnect();
  await buttons(page, options);
  await check("the page had no errors", () => assert.deepEqual(errors, []));
}

/** What the page can do to sockets, seen from the sockets. */
async function buttons(page, options) {
  const main = page.locator("main");
  const go = (name) => page.getByRole("link", { name }).first().click();
  const row = (name) => main.getByRole("row", { name });
  const rooms = async (socket) => (await socket.emitWithAck("get-data")).rooms;
  const until = async (what, so) => {
    // The page's click is on its way: it is asked for until it has been heeded.
    const asked = async () => {
      while (!(await so()));
    };
    await within(asked(), what);
  };
  const choose = async (namespace) => {
    await main.getByText("Select namespace").last().waitFor();
    await main.getByRole("button", { name: "Select namespace" }).last().click();
    await page.getByRole("option", { name: namespace }).last().click();
  };
  const enter = async (count) => {
    const sockets = Array.from({ length: count }, () => io(`${server.url}/chat`, options));
    await within(Promise.all(sockets.map((socket) => once(socket, "connect"))), "the sockets");
    await Promise.all(sockets.map((socket) => socket.emitWithAck("join", "lobby")));
    return sockets;
  };
  const end = (socket) => within(once(socket, "disconnect"), "the end").then(([why]) => why);
  const KICKED = "io server disconnect";
  const [one, two] = await enter(2);

  await check("a socket is put in a room, and taken out of it", async () => {
    await go("Sockets");
    await choose("/chat");
    await row(one.id).getByRole("cell", { name: one.id }).click();
    await main.getByLabel("Join a room").fill("picked");
    await main.locator("form").getByRole("button").last().click();
    await until("the room", async () => (await rooms(one)).includes("picked"));
    assert.deepEqual(await rooms(two), ["lobby"]);
    await row("picked").getByRole("button").click();
    await until("no room", async () => !(await rooms(one)).includes("picked"));
  });
  await check("a room is emptied", async () => {
    await go("Rooms");
    await choose("/chat");
    await row("lobby").getByRole("button").first().click();
    await until("no room", async () => [await rooms(one), await rooms(two)].flat().length === 0);
  });
  await check("a socket is disconnected", async () => {
    await go("Sockets");
    const gone = end(one);
    await row(one.id).getByRole("button").click();
    assert.equal(await gone, KICKED);
    assert.equal(two.connected, true);
  });
  await check("all sockets of a room are disconnected", async () => {
    const others = await enter(2);
    await go("Rooms");
    const gone = Promise.all(others.map(end));
    await row("lobby").getByRole("button").last().click();
    assert.deepEqual(await gone, [KICKED, KICKED]);
    assert.equal(two.connected, true);
  });
  await check("a client is disconnected, with its connection", async () => {
    await go("Clients");
    const { engine } = two.io;
    const closed = within(once(engine, "close"), "the connection's end");
    // Of the session's id, which is a secret, the page knows so much.
    await row(engine.id.slice(0, 12)).getByRole("button").click();
    await closed;
  });
}
