/** Sockets of socket.io-client for the facts of the Socket.IO contract. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { io } from "socket.io-client";

import { within } from "../wait.mjs";

export const TRANSPORTS = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
};

const DEFAULTS = { forceNew: true, reconnection: false, transports: TRANSPORTS.websocket };

/** A socket in a namespace, on the last of its transports, whose `welcome` came first. */
export async function entered(server, namespace = "/", options = {}) {
  const socket = io(server.http(namespace), { ...DEFAULTS, ...options });
  const first = new Promise((resolve) => {
    socket.onAny((event, ...args) => resolve([event, ...args]));
  });
  const upgraded = upgrade(socket);
  const failed = once(socket, "connect_error").then(([error]) => Promise.reject(error));
  // Once the welcome is there, an error has another reader or none.
  failed.catch(() => {});
  const [event, welcome] = await within(Promise.race([first, failed]), `welcome in ${namespace}`);
  assert.equal(event, "welcome");
  socket.welcome = welcome;
  await within(upgraded, "the upgrade");
  return socket;
}

function upgrade({ io: manager }) {
  if (manager.opts.transports.length < 2) return undefined;
  return new Promise((resolve) => manager.engine.once("upgrade", resolve));
}

/** The error with which a namespace turns a client away. */
export async function refused(server, namespace, options) {
  const socket = io(server.http(namespace), { ...DEFAULTS, ...options });
  const [error] = await within(once(socket, "connect_error"), "the refusal");
  socket.disconnect();
  return error;
}

/** Runs `body` with so many sockets. */
export async function withSockets(server, count, options, body) {
  const sockets = [];
  try {
    while (sockets.length < count) sockets.push(await entered(server, "/", options));
    await body(sockets);
  } finally {
    for (const socket of sockets) socket.disconnect();
  }
}

/** Emits and gives the first argument of the acknowledgement. */
export function ask(socket, event, ...args) {
  return within(socket.emitWithAck(event, ...args), `the acknowledgement of ${event}`);
}

/** The arguments of the next such event. */
export function next(socket, event) {
  return within(new Promise((resolve) => socket.once(event, (...args) => resolve(args))), event);
}

/** A list that grows by the arguments of each such event. */
export function all(socket, event) {
  const heard = [];
  socket.on(event, (...args) => heard.push(args));
  return heard;
}

/** What was sent to these sockets before has come once they have an answer to this. */
export function settled(...sockets) {
  return Promise.all(sockets.map((socket) => ask(socket, "echo-ack", "settled")));
}

/** A client of polling by hand. */
export class Polling {
  static async open(server, path = "/socket.io/", headers = {}) {
    const polling = new Polling();
    polling.url = server.http(`${path}?EIO=4&transport=polling`);
    polling.opened = await fetch(polling.url, { headers });
    const { sid } = JSON.parse((await polling.opened.text()).slice(1));
    polling.url += `&sid=${sid}`;
    return polling;
  }

  /** The same, in `/`, with its welcome behind it. */
  static async enter(server) {
    const polling = await Polling.open(server);
    await polling.post("40");
    assert.match((await polling.packets(2)).at(-1), /^42\["welcome"/);
    return polling;
  }

  post(body, headers = {}) {
    return fetch(this.url, { method: "POST", body, headers });
  }

  async get() {
    return within(fetch(this.url).then((response) => response.text()), "the answer to a poll");
  }

  async packets(count) {
    const packets = [];
    while (packets.length < count) packets.push(...(await this.get()).split("\u001e"));
    return packets;
  }
}
