/** `curl -N` at `--suite plain`: event streams for whoever has a shell. */

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { gunzipSync, inflateSync } from "node:zlib";

import { Inbox, within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const run = promisify(execFile);
const server = suite("plain");
let rooms = 0;
/** A room that no other test uses. */
const newRoom = () => `curl-${process.pid}-${rooms++}`;

/** curl at an event stream: the head, and what follows as it comes. */
class Curl {
  static #running = new Set();
  #child;
  #arrived = new Inbox();
  text = "";

  constructor(path, ...options) {
    const command = ["-N", "-i", "--silent", "--show-error", ...options, server.http(path)];
    this.#child = spawn("curl", command, { stdio: ["ignore", "pipe", "inherit"] });
    this.#child.stdout.setEncoding("utf8").on("data", (text) => this.#arrived.push(text));
    Curl.#running.add(this.#child);
  }

  static killAll() {
    for (const child of Curl.#running) child.kill("SIGKILL");
  }

  /** Reads until this has come; the rest is read by the next call. */
  async until(what) {
    while (!this.text.includes(what)) this.text += await this.#arrived.next(what);
    const end = this.text.indexOf(what) + what.length;
    const before = this.text.slice(0, end);
    this.text = this.text.slice(end);
    return before;
  }

  kill() {
    this.#child.kill("SIGKILL");
  }
}

after(() => Curl.killAll());

async function publish(room, ...args) {
  const response = await fetch(server.http("/bar/publish"), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ room, event: "news", args }),
  });
  assert.ok(response.ok, `${response.status}`);
}

const VERSIONS = [
  ["HTTP/1.1", "--http1.1"],
  ["HTTP/2", "--http2-prior-knowledge"],
];

for (const [version, option] of VERSIONS) {
  test(`${version}: events come as they are said, with their names and ids`, async () => {
    const room = newRoom();
    const curl = new Curl(`/sse/chat?room=${room}`, option);
    const head = (await curl.until("\r\n\r\n")).toLowerCase();
    assert.ok(head.startsWith(`${version.toLowerCase()} 200`), head);
    for (const field of [
      "content-type: text/event-stream",
      "cache-control: no-store, no-transform",
      "x-accel-buffering: no",
    ]) {
      assert.ok(head.includes(`\r\n${field}\r\n`), `${field} in ${head}`);
    }
    assert.ok(!head.includes("content-length"), head);
    assert.match(await curl.until("\n\n"), /^: omniwire *\nretry: \d+\n\n$/);
    await curl.until('"resume":"new"');
    await curl.until("\n\n");
    for (const number of [1, 2, 3]) {
      await publish(room, number, "ä\n");
      const event = await curl.until("\n\n");
      const [id, name, data, ...rest] = event.trimEnd().split("\n");
      assert.match(id, /^id: \S+$/);
      assert.equal(name, "event: news");
      assert.deepEqual(JSON.parse(data.replace(/^data: /, "")), [number, "ä\n"]);
      assert.deepEqual(rest, []);
    }
    curl.kill();
  });

  test(`${version}: Last-Event-ID brings what was missed`, async () => {
    const room = newRoom();
    const first = new Curl(`/sse/chat?room=${room}`, option);
    await first.until('"resume":"new"');
    await publish(room, "seen");
    await first.until("id: ");
    const id = (await first.until("\n")).trimEnd();
    first.kill();
    for (const word of ["missed", "missed too"]) await publish(room, word);
    for (const ask of [
      [`/sse/chat?room=${room}`, "-H", `Last-Event-ID: ${id}`],
      [`/sse/chat?room=${room}&last_event_id=${encodeURIComponent(id)}`],
    ]) {
      const [path, ...header] = ask;
      const back = new Curl(path, option, ...header);
      await back.until('"resume":"recovered"');
      await back.until('data: ["missed"]');
      await back.until('data: ["missed too"]');
      back.kill();
    }
  });

  test(`${version}: nothing is compressed where that is off, or for who has not asked`, async () => {
    const asks = ["-H", "Accept-Encoding: gzip, deflate, br"];
    for (const [path, ...header] of [["/sse/chat", ...asks], ["/gzip/sse/chat"]]) {
      const curl = new Curl(path, option, ...header);
      assert.doesNotMatch(await curl.until("\r\n\r\n"), /content-encoding/i);
      assert.match(await curl.until("\n\n"), /^: omniwire/);
      curl.kill();
    }
  });

  test(`${version}: who asks gets gzip, and each event as soon as it is said`, async () => {
    const room = newRoom();
    const curl = new Curl(`/gzip/sse/chat?room=${room}`, option, "--compressed");
    const head = (await curl.until("\r\n\r\n")).toLowerCase();
    for (const field of ["content-encoding: gzip", "vary: accept-encoding"]) {
      assert.ok(head.includes(`\r\n${field}\r\n`), `${field} in ${head}`);
    }
    await curl.until('"resume":"new"');
    await curl.until("\n\n");
    for (const number of [1, 2, 3]) {
      await publish(room, number, "ä\n".repeat(5_000));
      const data = await curl.until("\n\n");
      assert.ok(data.includes(`data: [${number},"ä`), data.slice(0, 200));
    }
    curl.kill();
  });

  test(`${version}: long answers to polls and POSTs are compressed for who asks`, async () => {
    const text = "again and again ".repeat(1_000);
    const ask = async (accept, path, ...more) => {
      const asked = accept === "" ? [] : ["-H", `Accept-Encoding: ${accept}`];
      const command = [option, "-s", "-i", ...asked, ...more, server.http(path)];
      const { stdout } = await run("curl", command, { encoding: "buffer" });
      const end = stdout.indexOf("\r\n\r\n");
      const coding = /content-encoding: (\S+)/i.exec(stdout.subarray(0, end))?.[1];
      return { coding, body: stdout.subarray(end + 4) };
    };
    const inflate = { gzip: gunzipSync, deflate: inflateSync };
    for (const [accept, coding] of [["gzip, br", "gzip"], ["deflate", "deflate"], ["br"], [""]]) {
      const room = newRoom();
      const read = ({ body }) => JSON.parse(coding ? inflate[coding](body) : body);
      const opened = await ask(accept, `/gzip/poll/chat?room=${room}`);
      assert.equal(opened.coding, undefined, "what is short goes as it is");
      const { cursor } = JSON.parse(opened.body).at(-1);
      const polled = ask(accept, `/gzip/poll/chat?cursor=${encodeURIComponent(cursor)}`);
      await publish(room, text);
      assert.equal((await polled).coding, coding);
      assert.ok(read(await polled).some(({ args }) => args?.[0] === text));
      const echo = JSON.stringify({ event: "echo", args: [text], id: 1 });
      const sent = await ask(accept, "/gzip/send/chat", "--data-binary", echo);
      assert.equal(sent.coding, coding);
      assert.ok(JSON.stringify(read(sent)).includes(text));
    }
  });
}

test("?padding= begins the stream with that much of a comment", async () => {
  const curl = new Curl("/sse/chat?padding=2048");
  await curl.until("\r\n\r\n");
  const comment = await curl.until("\n");
  assert.match(comment, /^: omniwire +\n$/);
  assert.ok(comment.length >= 2_048, `${comment.length}`);
});

test("a client that went away is gone at once", async () => {
  const curl = new Curl("/sse/chat");
  await curl.until('"session":"');
  const session = (await curl.until('"')).slice(0, -1);
  const send = () =>
    fetch(server.http(`/send/chat?session=${session}`), { method: "POST", body: '{"ping":1}' });
  assert.equal((await send()).status, 200);
  curl.kill();
  const gone = async () => {
    while ((await send()).status !== 404);
  };
  await within(gone(), "its session to end");
});
