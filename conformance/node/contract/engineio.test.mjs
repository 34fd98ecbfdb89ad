/** `omniwire conformance --suite engineio`: the bare Engine.IO echo of contracts/README.md. */

import assert from "node:assert/strict";
import { once } from "node:events";
import WebSocket from "ws";

import { statusOfPost } from "../ask-first.mjs";
import { Inbox, within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const server = suite("engineio");
const { fact } = server;
const RECORD_SEPARATOR = "\u001e";

fact("polling: the open packet tells the settings", async () => {
  const origin = "http://a.example";
  const options = { headers: { Origin: origin } };
  const { body, headers } = await get("EIO=4&transport=polling", options);
  assert.equal(body[0], "0");
  const { sid, ...settings } = JSON.parse(body.slice(1));
  assert.equal(typeof sid, "string");
  assert.deepEqual(settings, {
    upgrades: ["websocket"],
    pingInterval: 300,
    pingTimeout: 200,
    maxPayload: 1_000_000,
  });
  assert.ok(["*", origin].includes(headers.get("access-control-allow-origin")));
});

fact("WebSocket: the open packet offers no upgrade", async () => {
  const socket = await Socket.open();
  assert.deepEqual(socket.opened.upgrades, []);
  assert.equal(socket.opened.pingInterval, 300);
  socket.close();
});

fact("polling: a text message comes back", async () => {
  const polling = await Polling.open();
  assert.equal(await polling.post("4hello"), "ok");
  assert.deepEqual(await polling.messages(1), ["4hello"]);
});

fact("polling: several packets in one payload come back in order", async () => {
  const polling = await Polling.open();
  const packets = ["4one", "4", "4drei 😀", "4\u2028"];
  await polling.post(packets.join(RECORD_SEPARATOR));
  assert.deepEqual(await polling.messages(4), packets);
});

fact("polling: a binary message comes back as base64", async () => {
  const polling = await Polling.open();
  await polling.post("bAQIDBA==");
  assert.deepEqual(await polling.messages(1), ["bAQIDBA=="]);
});

fact("WebSocket: text and binary messages come back", async () => {
  const socket = await Socket.open();
  socket.send("4hello");
  assert.equal(await socket.next(), "4hello");
  socket.send(Buffer.from([1, 2, 3]));
  assert.deepEqual(await socket.next(), Buffer.from([1, 2, 3]));
  socket.close();
});

fact("the server pings, and a client that answers stays", async () => {
  const socket = await Socket.open();
  for (let beat = 0; beat < 4; beat++) {
    assert.equal(await socket.packets.next("a ping", (packet) => packet === "2", 1_000), "2");
    socket.send("3");
  }
  socket.close();
});

fact("a client that answers no ping is closed", async () => {
  const socket = await Socket.open();
  await within(socket.ended, "the end after no pong");
});

fact("polling upgrades to a WebSocket, and messages go on", async () => {
  const polling = await Polling.open();
  const socket = await Socket.probe(polling.sid);
  socket.send("2probe");
  assert.equal(await socket.packets.next("3probe"), "3probe");
  socket.send("5");
  socket.send("4after");
  assert.equal(await socket.next(), "4after");
  socket.close();
});

fact("an upgrade ends the poll that waits", async () => {
  const polling = await Polling.open();
  const waiting = polling.poll();
  const socket = await Socket.probe(polling.sid);
  socket.send("2probe");
  await socket.packets.next("3probe");
  assert.match(await within(waiting, "the end of the poll"), /^[26]/);
  socket.close();
});

fact("close ends the session", async () => {
  const polling = await Polling.open();
  await polling.post("1");
  assert.equal((await get(polling.query)).status, 400);
});

fact("a second poll at once ends the session", async () => {
  const polling = await Polling.open();
  // Two connections: either may be the first that the server sees.
  const polls = Promise.all([get(polling.query), get(polling.query)]);
  const answers = await within(polls, "the end of both polls");
  const [first, second] = answers.toSorted((a, b) => a.status - b.status);
  assert.deepEqual([first.status, first.body, second.status], [200, "1", 400]);
});

for (const [what, query, method, code, message] of [
  ["an unknown transport", "EIO=4&transport=abc", "GET", 0, "Transport unknown"],
  ["no transport", "EIO=4", "GET", 0, "Transport unknown"],
  ["an unknown session", "EIO=4&transport=polling&sid=abc", "GET", 1, "Session ID unknown"],
  ["a handshake by POST", "EIO=4&transport=polling", "POST", 2, "Bad handshake method"],
  ["a WebSocket by plain GET", "EIO=4&transport=websocket", "GET", 3, "Bad request"],
]) {
  fact(`${what} is refused with code ${code}`, async () => {
    const { status, body } = await get(query, { method });
    assert.equal(status, 400);
    assert.deepEqual(JSON.parse(body), { code, message });
  });
}

fact("a method that Engine.IO has no use for is refused", async () => {
  const { sid } = await Polling.open();
  const { status } = await get(`EIO=4&transport=polling&sid=${sid}`, { method: "PUT" });
  assert.ok([400, 405].includes(status), `${status}`);
});

fact("a payload over maxPayload is 413", async () => {
  const { query } = await Polling.open();
  assert.equal(await statusOfPost(server.http(`/engine.io/?${query}`), 1_000_001), 413);
});

fact("a packet of no known type ends the session", async () => {
  const polling = await Polling.open();
  await polling.post("abc");
  assert.equal((await get(polling.query)).status, 400);
});

fact("protocol 3: the payload counts its packets' characters", async () => {
  const opened = (await get("EIO=3&transport=polling")).body;
  const [, length, packet] = /^(\d+):0(.*)/s.exec(opened);
  const { sid } = JSON.parse(packet.slice(0, Number(length) - 1));
  const query = `EIO=3&transport=polling&sid=${sid}`;
  assert.equal((await get(query, { method: "POST", body: "6:4héllo" })).body, "ok");
  assert.equal((await get(query)).body, "6:4héllo");
});

async function get(query, options) {
  const response = await fetch(server.http(`/engine.io/?${query}`), options);
  const body = await within(response.text(), "the answer");
  return { status: response.status, headers: response.headers, body };
}

/** A session by polling, without its own heartbeat: pings are answered as they are met. */
class Polling {
  static async open() {
    const polling = new Polling();
    const { body } = await get("EIO=4&transport=polling");
    polling.sid = JSON.parse(body.slice(1)).sid;
    polling.query = `EIO=4&transport=polling&sid=${polling.sid}`;
    return polling;
  }

  async post(body) {
    return (await get(this.query, { method: "POST", body })).body;
  }

  async poll() {
    return (await get(this.query)).body;
  }

  /** The next messages, however they are spread over polls. */
  async messages(count) {
    const messages = [];
    while (messages.length < count) {
      for (const packet of (await this.poll()).split(RECORD_SEPARATOR)) {
        if (packet === "2") await this.post("3");
        else messages.push(packet);
      }
    }
    return messages;
  }
}

class Socket {
  packets = new Inbox();
  #socket;

  /** A session of its own. */
  static async open() {
    const socket = Socket.#connect("EIO=4&transport=websocket");
    const packet = await socket.packets.next("the open packet");
    assert.equal(packet[0], "0");
    socket.opened = JSON.parse(packet.slice(1));
    return socket;
  }

  /** A second carrier for a session that polls. */
  static async probe(sid) {
    const socket = Socket.#connect(`EIO=4&transport=websocket&sid=${sid}`);
    await within(once(socket.#socket, "open"), "the WebSocket");
    return socket;
  }

  static #connect(query) {
    const socket = new Socket();
    socket.#socket = new WebSocket(server.ws(`/engine.io/?${query}`));
    socket.ended = once(socket.#socket, "close");
    socket.#socket.on("message", (data, isBinary) => {
      socket.packets.push(isBinary ? data : data.toString());
    });
    return socket;
  }

  send(packet) {
    this.#socket.send(packet);
  }

  /** The next packet that is no ping. */
  next() {
    return this.packets.next("a message", (packet) => packet !== "2");
  }

  close() {
    this.#socket.close();
  }
}
