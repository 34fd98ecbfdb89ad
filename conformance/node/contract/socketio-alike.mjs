/** Our server and npm's `socket.io`, side by side, and clients that say bytes to both. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import WebSocket from "ws";

import { startReference, startSuite } from "../server.mjs";
import { within } from "../wait.mjs";

export const EIO4 = "/socket.io/?EIO=4&transport=";
export const EIO3 = "/socket.io/?EIO=3&transport=";
export const PROBE = '4299["echo-ack","still there"]';
export const ALIVE = '4399["still there"]';

/** Starts the servers, with further environment, for the tests of this file. */
export function comparison(environment = {}) {
  const servers = {};
  before(async () => {
    const eio3 = { ...environment, SIO_EIO3: "1" };
    [servers.ours, servers.npm, servers.ours3, servers.npm3] = await Promise.all([
      startSuite("socketio", environment), startReference(environment),
      startSuite("socketio", eio3), startReference(eio3),
    ]);
  });
  after(() => Promise.all(Object.values(servers).map((server) => server.stop())));

  /** A test that all cases come out alike. `ours` says what differs, by case. */
  return function alike(title, cases, outcome, { ours = {}, eio3 = false } = {}) {
    test(title, async () => {
      const [us, npm] = eio3 ? [servers.ours3, servers.npm3] : [servers.ours, servers.npm];
      const found = { ours: {}, npm: {} };
      await Promise.all(cases.map(async (one) => {
        const both = await Promise.all([outcome(us, one), outcome(npm, one)]);
        [found.ours[one.name ?? one], found.npm[one.name ?? one]] = both.map(nameless);
      }));
      for (const [name, expected] of Object.entries(ours)) {
        assert.notDeepEqual(found.npm[name], expected, `${name} is no difference any more`);
        found.npm[name] = expected;
      }
      assert.deepEqual(found.ours, found.npm);
    });
  };
}

/** The same without what nobody can know before. */
function nameless(outcome) {
  const json = JSON.stringify(outcome)
    .replaceAll(/(id\\*":\\*"(?:\/[\w-]+#)?)[\w-]{15,}/g, "$1ID")
    .replaceAll(/\b\d+:(0\{|4\d[^"]*\[\\"welcome)/g, "N:$1");
  return JSON.parse(json);
}

/** An answer: status, type, caching, cookie and body. */
export async function ask(server, path, options) {
  const response = await fetch(`${server.url}${path}`, options);
  const { status, headers } = response;
  const body = await response.text();
  // Refusals are never kept, whatever they say of it.
  const kept = status === 200 ? headers.get("cache-control") : null;
  return [status, headers.get("content-type"), kept, headers.get("set-cookie"), body];
}

/** What a client in `/` hears that says this, and what those in `watch` hear of it. */
export async function whole(server, said) {
  const watcher = await Raw.enter(server);
  watcher.say('420["join","watch"]');
  await watcher.until("430");
  const goer = await Raw.enter(server);
  for (const packet of [said].flat()) goer.say(packet);
  goer.say(PROBE);
  const heard = await goer.rest();
  // npm lets into namespaces later than it acknowledges.
  goer.say(PROBE);
  heard.push(...await goer.rest());
  goer.end();
  const gone = await watcher.until(`42["gone","${goer.id}"`);
  watcher.end();
  const alive = heard.includes(ALIVE);
  const rest = heard.filter((packet) => packet !== ALIVE);
  return { heard: rest, alive, gone: gone.replace(goer.id, "ID") };
}

/** A polling client in `/` whose welcome has come. */
export async function entered(server, eio) {
  const opened = await (await fetch(`${server.url}${eio}polling`)).text();
  const path = `${eio}polling&sid=${/"sid":"([^"]+)/.exec(opened)[1]}`;
  if (eio === EIO4) await fetch(`${server.url}${path}`, { method: "POST", body: "40" });
  let heard = "";
  while (!heard.includes("welcome")) heard += await (await fetch(`${server.url}${path}`)).text();
  return path;
}

/** What comes until the probe is answered or the session is over, without noops. */
export async function drained(server, path) {
  let heard = "";
  for (;;) {
    const [status, , , , body] = await ask(server, path);
    if (status !== 200) return [heard, status, body];
    heard += body.split("\x1e").filter((packet) => packet !== "6").join("").replaceAll("1:6", "");
    if (heard.includes("still there")) return [heard];
  }
}

/** A bare WebSocket. */
export class Raw {
  #heard = [];
  #wake = () => {};

  static async open(server, eio) {
    const raw = new Raw();
    raw.socket = new WebSocket(`${server.ws}${eio}websocket`);
    raw.socket.on("message", (data, isBinary) => {
      raw.#heard.push(isBinary ? data.toString("hex") : data.toString());
      raw.#wake();
    });
    raw.socket.on("close", () => {
      raw.closed = true;
      raw.#wake();
    });
    await raw.until("0{");
    return raw;
  }

  /** One that is in `/`, its welcome behind it. */
  static async enter(server) {
    const raw = await Raw.open(server, EIO4);
    raw.say("40");
    raw.id = /"id":"([^"]+)/.exec(await raw.until('42["welcome"'))[1];
    return raw;
  }

  say(packet) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(packet);
  }

  end() {
    this.socket.close();
  }

  /** The next packet that begins so. */
  until(start) {
    return within(this.#find((packet) => packet.startsWith(start)), start);
  }

  /** All that comes until the probe is answered or the connection is over. */
  async rest(last = ALIVE) {
    const heard = [];
    await within(this.#find((packet) => {
      heard.push(packet);
      return typeof last === "string" ? packet === last : last.test(packet);
    }), `more than ${JSON.stringify(heard)}`);
    return heard;
  }

  async #find(fits) {
    for (;;) {
      while (this.#heard.length > 0) {
        const packet = this.#heard.shift();
        if (fits(packet)) return packet;
      }
      if (this.closed) return undefined;
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
