/**
 * What becomes of a session whose request breaks off, or that has two, by carrier: the ones whose
 * contracts say nothing of it. (SockJS, plain polls and event streams: contract/.)
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { EnvelopeSocket } from "./clients/websocket.mjs";
import { startDemo } from "./server.mjs";
import { within } from "./wait.mjs";

let server;
let other;
before(async () => {
  server = await startDemo();
  other = await new EnvelopeSocket().connect(server.url);
});
after(async () => {
  await other?.close();
  await server?.stop();
});

/** A session that is polled by hand: `path` is where, and `entered` what it hears last. */
class Polled {
  static async signalr() {
    const path = "/signalr/chat";
    const negotiate = `${path}/negotiate?negotiateVersion=1`;
    const response = await fetch(new URL(negotiate, server.url), { method: "POST" });
    const polled = new Polled(`${path}?id=${(await response.json()).connectionToken}`);
    await polled.poll();
    return polled.enter('{"protocol":"json","version":1}\u001e');
  }

  static async engineio() {
    const path = "/socket.io/?EIO=4&transport=polling";
    const opened = await (await fetch(new URL(path, server.url))).text();
    return new Polled(`${path}&sid=${JSON.parse(opened.slice(1)).sid}`).enter("40/chat,");
  }

  constructor(path) {
    this.url = new URL(path, server.url);
  }

  async enter(body) {
    await fetch(this.url, { method: "POST", body });
    let heard = "";
    while (!heard.includes('"members"')) heard += (await this.poll()).text;
    this.id = /"id":"([^"]+)"/.exec(heard)[1];
    return this;
  }

  async poll(signal) {
    const response = await fetch(this.url, { signal });
    return { status: response.status, text: await within(response.text(), "a poll") };
  }

  async #others() {
    for (let count = 0; count < 5; count++) await (await fetch(new URL("/", server.url))).text();
  }

  /** A poll that waits, and is broken off. */
  async abort() {
    const stop = new AbortController();
    const poll = this.poll(stop.signal).catch(() => "broken off");
    // By the time that others are answered, the server has seen this one, and then its end.
    await this.#others();
    stop.abort();
    assert.equal(await poll, "broken off");
    await this.#others();
  }
}

test("SignalR, long polling: the next poll brings what one that broke off did not", async () => {
  const polled = await Polled.signalr();
  for (let round = 0; round < 3; round++) {
    await polled.abort();
    await other.say(`kept ${round}`);
    let heard = "";
    while (!heard.includes(`"kept ${round}"`)) heard += (await polled.poll()).text;
  }
});

test("SignalR, long polling: a second poll ends the first, and brings what is said", async () => {
  const polled = await Polled.signalr();
  const polls = [polled.poll(), polled.poll()];
  const ended = await within(Promise.race(polls), "the first poll's end");
  assert.ok(!ended.text.includes("to the second"), ended.text);
  await other.say("to the second");
  const answers = await Promise.all(polls);
  assert.equal(answers.filter(({ text }) => text.includes("to the second")).length, 1);
});

test("Engine.IO: a poll that broke off ends the session, as with npm's server", async () => {
  const polled = await Polled.engineio();
  await polled.abort();
  const gone = () => !other.members.some(({ id }) => id === polled.id);
  await other.until(gone, "it to be off the list");
  assert.deepEqual((await polled.poll()).status, 400);
});
