/**
 * What becomes of a session whose request breaks off, or that has two, by carrier: the ones whose
 * contracts say nothing of it. (SockJS, plain polls and event streams: contract/.)
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
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
    await this.post(body);
    let heard = "";
    while (!heard.includes('"members"')) heard += (await this.poll()).text;
    this.id = /"id":"([^"]+)"/.exec(heard)[1];
    return this;
  }

  async poll() {
    const response = await fetch(this.url);
    return { status: response.status, text: await within(response.text(), "a poll") };
  }

  async post(body) {
    const response = await fetch(this.url, { method: "POST", body });
    await response.text();
    return response.status;
  }

  /**
   * A poll that is broken off. When this is over the server has let go of the connection, and so
   * of the poll. (It may have seen the end as soon as the request: then it never had the poll.)
   */
  async abort() {
    const { hostname, port, pathname, search, host } = this.url;
    const socket = connect(port, hostname);
    await once(socket, "connect");
    socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    // A round trip, in which it most likely takes the poll.
    await (await fetch(new URL("/", server.url))).text();
    socket.resume().end();
    await within(once(socket, "close"), "the server's end of the connection");
    assert.equal(socket.bytesRead, 0, "the poll waits");
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
  const noop = "6";
  do await polled.abort();
  while ((await polled.post(noop)) === 200);
  const gone = () => !other.members.some(({ id }) => id === polled.id);
  await other.until(gone, "it to be off the list");
  assert.deepEqual((await polled.poll()).status, 400);
});
