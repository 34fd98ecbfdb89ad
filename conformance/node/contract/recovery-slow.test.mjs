/**
 * `omniwire conformance --suite churn`, with small outboxes: a client that is closed as slow
 * between two polls hears so by its next one, in its protocol's words.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { HttpTransportType, HubConnectionBuilder, LogLevel } from "@microsoft/signalr";
import { io } from "socket.io-client";
import SockJS from "sockjs-client";
import WebSocket from "ws";

import { SUBPROTOCOL } from "../clients/envelope.mjs";
import { Gate } from "../gate.mjs";
import { startSuite } from "../server.mjs";
import { Inbox, within } from "../wait.mjs";

const OUTBOX_LEN_MAX = 16_384;

/**
 * `isPoll` of a request; `enter` joins the room, and gives a function that gives what the client
 * was told when it was over.
 */
const KINDS = {
  "Socket.IO": {
    isPoll: ({ method, url }) => method === "GET" && url.includes("sid="),
    word: ["transport close", "transport closed by the server", "recovered: false"],
    async enter(base, room) {
      const options = { forceNew: true, transports: ["polling"], reconnectionDelay: 20 };
      const socket = io(`${base}/kept`, options);
      await within(once(socket, "connect"), "the connection");
      await socket.emitWithAck("join", room);
      const gone = new Promise((resolve) => {
        socket.on("disconnect", (reason, details) => resolve([reason, details?.description]));
      });
      return async () => {
        const word = await gone;
        // What it missed is more than may wait for it.
        await within(once(socket, "connect"), "the way back");
        socket.disconnect();
        return [...word, `recovered: ${socket.recovered}`];
      };
    },
  },
  SignalR: {
    isPoll: ({ method, url }) => method === "GET" && url.includes("id="),
    word: ["Server returned an error on close: Connection closed with an error.", "reconnected"],
    async enter(base, room) {
      const hub = new HubConnectionBuilder()
        .withUrl(`${base}/signalr/kept`, { transport: HttpTransportType.LongPolling })
        .configureLogging(LogLevel.None)
        .withAutomaticReconnect([0])
        .build();
      await hub.start();
      await hub.invoke("join", room);
      const gone = new Promise((resolve) => hub.onreconnecting(({ message }) => resolve(message)));
      const back = new Promise((resolve) => hub.onreconnected(() => resolve("reconnected")));
      return async () => {
        const word = [await gone, await within(back, "the way back")];
        await hub.stop();
        return word;
      };
    },
  },
  SockJS: {
    isPoll: ({ url }) => url.endsWith("/xhr"),
    word: [1013, "slow peer"],
    async enter(base, room) {
      const socket = new SockJS(`${base}/sockjs/kept`, null, { transports: "xhr-polling" });
      const heard = new Inbox();
      socket.onmessage = ({ data }) => heard.push(JSON.parse(data));
      await heard.next("open", ({ open }) => open);
      socket.send(JSON.stringify({ join: room, id: 1 }));
      await heard.next("the room", ({ reply }) => reply === 1);
      const gone = new Promise((resolve) => {
        socket.onclose = ({ code, reason }) => resolve([code, reason]);
      });
      return () => gone;
    },
  },
  "long poll": {
    isPoll: ({ url }) => url.startsWith("/poll/"),
    word: [1013, "slow peer", "lost"],
    async enter(base, room) {
      let query = new URLSearchParams({ room });
      const poll = async () => {
        const answer = await fetch(`${base}/poll/kept?${query}`);
        assert.equal(answer.status, 200);
        const envelopes = await answer.json();
        const { cursor } = envelopes.find((envelope) => envelope.cursor) ?? {};
        query = new URLSearchParams({ cursor });
        return envelopes;
      };
      const find = async (key) => {
        for (;;) {
          const found = (await poll()).find((envelope) => envelope[key] !== undefined);
          if (found) return found[key];
        }
      };
      await find("resume");
      const closed = find("close");
      return async () => {
        const { code, reason } = await closed;
        // With the cursor that comes with it, it can come back: here, to less than it missed.
        return [code, reason, await find("resume")];
      };
    },
  },
};

for (const [name, kind] of Object.entries(KINDS)) {
  test(`${name}: a slow client that does not poll just then`, async () => {
    const server = await startSuite("churn", {}, 0, [
      "--limit", `outbox_len_max=${OUTBOX_LEN_MAX}`,
    ]);
    const gate = await Gate.start(server.address);
    const publisher = await Publisher.start(server.ws);
    try {
      const told = await within(kind.enter(gate.url, "room"), "its room");
      assert.equal(await publisher.call("members", "room"), 1);
      gate.hold(kind.isPoll);
      // That ends the poll which waits at the server, if one does.
      while (!(await isWaiting(gate))) await publisher.call("publish", "room", 1, "");
      for (let sent = 0; sent < 3 * OUTBOX_LEN_MAX; sent += 1024) {
        await publisher.call("publish", "room", 2, "x".repeat(1024));
      }
      const left = async () => {
        while (await publisher.call("members", "room")) await setImmediate();
      };
      await within(left(), "the server to close it");
      gate.release();
      assert.deepEqual(await within(told(), "what it is told"), kind.word);
    } finally {
      publisher.close();
      await gate.close();
      await server.stop();
    }
  });
}

/** Whether a poll waits at the gate by the time that the one before has been answered. */
async function isWaiting(gate) {
  return gate.waiting.next("a poll", () => true, 100).then(() => true, () => false);
}

/** Calls over a WebSocket, past the gate. */
class Publisher {
  #answers = new Inbox();
  #socket;

  static async start(base) {
    const publisher = new Publisher();
    publisher.#socket = new WebSocket(`${base}/ws/kept`, SUBPROTOCOL);
    publisher.#socket.on("message", (data) => publisher.#answers.push(JSON.parse(data)));
    await once(publisher.#socket, "open");
    return publisher;
  }

  async call(event, ...args) {
    this.#socket.send(JSON.stringify({ event, args, id: 1 }));
    const isAnswer = ({ reply, error }) => reply !== undefined || error !== undefined;
    const answer = await this.#answers.next(`the answer to ${event}`, isAnswer);
    assert.equal(answer.error, undefined);
    return answer.result;
  }

  close() {
    this.#socket.close();
  }
}
