/** One room, every kind of client: what each says, each of the others hears, unchanged. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { KINDS, VARIANTS } from "./clients.mjs";
import { startDemo } from "./server.mjs";
import { JSON_TEXTS, LONE_SURROGATES, longText } from "./texts.mjs";

/** Messages in the test of order. */
const ORDERED_COUNT = 200;
/** Bounds one pair of clients, all its tests together. */
const PAIR_MS = 60_000;

let server;
before(async () => {
  server = await startDemo();
});

describe("each of the six kinds to each", () => {
  for (const from of KINDS) {
    for (const to of KINDS) pair(from, to);
  }
});

describe("the other manners and transports", () => {
  for (const variant of VARIANTS) {
    for (const kind of KINDS) {
      pair(variant, kind);
      pair(kind, variant);
    }
    pair(variant, variant);
  }
});

describe("all together", () => {
  test("what one says all the others hear once, and nobody hears himself", roomTest);
  test("all speak at once, and each hears each in order", crowdTest);
  test("a member who leaves is off the list", leaveTest);
  test("whoever watches hears who comes and who leaves", presenceTest);
});

describe("calls", () => {
  for (const kind of [...KINDS, ...VARIANTS]) callTests(kind);
});

describe("the end", () => {
  test("SIGTERM ends the server within 6 s with exit code 0, clients or not", endTest);
});

after(() => Promise.allSettled([server?.stop()]));

async function presenceTest() {
  const watchers = await connected(...KINDS);
  const known = await Promise.all(watchers.map((w) => w.call("presence.watch", "lobby")));
  const [newcomer] = await connected(KINDS[0]);
  const { id } = newcomer.me;
  const names = (people) => people.some(({ peers }) => peers.includes(id));
  for (const [index, watcher] of watchers.entries()) {
    assert.ok(Array.isArray(known[index]) && !names(known[index]));
    const came = await watcher.presence.next("its coming", ({ joined }) => names(joined));
    assert.equal(came.room, "lobby");
  }
  await newcomer.close();
  for (const watcher of watchers) {
    await watcher.presence.next("its leaving", ({ left }) => names(left));
  }
  await Promise.all(watchers.map((watcher) => watcher.close()));
}

function pair(from, to) {
  test(`${from.name} -> ${to.name}`, { timeout: PAIR_MS }, async (t) => {
    const [speaker, hearer] = await connected(from, to);
    try {
      for (const [name, texts] of Object.entries(JSON_TEXTS)) {
        await t.test(name, () => passes(speaker, hearer, texts));
      }
      if (speaker.canSendLoneSurrogate) {
        await t.test("lone surrogates", () => passes(speaker, hearer, LONE_SURROGATES));
      }
      await t.test(`${speaker.sayMax / 1000} kB`, () => passesLong(speaker, hearer));
      await t.test(`${ORDERED_COUNT} messages in order`, () => passesInOrder(speaker, hearer));
    } finally {
      await Promise.all([speaker.close(), hearer.close()]);
    }
  });
}

async function passes(speaker, hearer, texts) {
  hearer.said.drain();
  for (const json of texts) {
    // Both ways: as the client writes it, and as it may be written.
    await speaker.say(JSON.parse(json));
    assert.equal(await heard(hearer, speaker), JSON.parse(json), `the client's own ${json}`);
    await speaker.sayJson(json);
    assert.equal(await heard(hearer, speaker), JSON.parse(json), json);
  }
}

async function passesLong(speaker, hearer) {
  hearer.said.drain();
  const text = longText(speaker.sayMax);
  await speaker.say(text);
  const came = await heard(hearer, speaker);
  // Not assert.equal, which would print both.
  assert.ok(came === text, `came as ${came.length} characters, ending in ${came.slice(-20)}`);
}

async function passesInOrder(speaker, hearer) {
  hearer.said.drain();
  const texts = numbered(ORDERED_COUNT);
  const sent = texts.map((text) => speaker.say(text));
  const came = await hearer.said.take(ORDERED_COUNT);
  await Promise.all(sent);
  assert.deepEqual(came.map(({ text }) => text), texts);
}

async function roomTest() {
  const room = await connected(...KINDS, ...VARIANTS);
  try {
    for (const speaker of room) {
      const others = room.filter((member) => member !== speaker);
      const word = `${speaker.me.name} says this`;
      await speaker.say(word);
      for (const hearer of others) assert.equal(await heard(hearer, speaker), word);
    }
    // Whatever came twice, or to its own speaker, has come before these last words.
    for (const speaker of room.slice(0, 2)) {
      await speaker.say("the last word");
      const others = room.filter((member) => member !== speaker);
      for (const hearer of others) assert.equal(await heard(hearer, speaker), "the last word");
    }
    for (const member of room) assert.deepEqual(member.said.drain(), [], member.me.name);
  } finally {
    await Promise.all(room.map((member) => member.close()));
  }
}

async function crowdTest() {
  const count = 30;
  const room = await connected(...KINDS, ...VARIANTS);
  try {
    const sent = room.flatMap((speaker) => numbered(count).map((text) => speaker.say(text)));
    for (const hearer of room) {
      const came = await hearer.said.take(count * (room.length - 1));
      for (const speaker of room.filter((member) => member !== hearer)) {
        const texts = came.filter(({ from }) => from.id === speaker.me.id).map(({ text }) => text);
        assert.deepEqual(texts, numbered(count), `${speaker.me.name} to ${hearer.me.name}`);
      }
    }
    await Promise.all(sent);
  } finally {
    await Promise.all(room.map((member) => member.close()));
  }
}

async function leaveTest() {
  const [stays, leaves] = await connected(KINDS[0], KINDS[0]);
  const isListed = () => stays.members.some(({ id }) => id === leaves.me.id);
  try {
    await stays.until(isListed, "the newcomer on the list");
    await leaves.close();
    await stays.until(() => !isListed(), "the list without who left");
  } finally {
    await stays.close();
  }
}

function callTests(kind) {
  test(`${kind.name}: hello says who one is`, async () => {
    const [client] = await connected(kind);
    try {
      const { id, name, protocol, carrier } = client.me;
      for (const part of [id, name, protocol, carrier]) assert.equal(typeof part, "string");
      assert.ok(client.members.some((member) => member.id === id), "is in its own list");
    } finally {
      await client.close();
    }
  });
  if (!kind.client().canCall) return;

  test(`${kind.name}: a call is answered with what its handler gives`, async () => {
    const [client] = await connected(kind);
    try {
      assert.equal(await client.call("say", "hi"), "delivered");
      const thing = { list: [1, -2.5e3, true, null, "\u0000\u2028\ud800"], nested: { "": {} } };
      for (const x of [thing, 1, "one", null, [], [[]]]) {
        assert.deepEqual(await client.call("ping", x), x);
      }
    } finally {
      await client.close();
    }
  });

  test(`${kind.name}: many calls at once each get their own answer`, async () => {
    const [client] = await connected(kind);
    try {
      const numbers = Array.from({ length: 50 }, (_, index) => index);
      const answers = await Promise.all(numbers.map((number) => client.call("ping", number)));
      assert.deepEqual(answers, numbers);
    } finally {
      await client.close();
    }
  });
}

async function endTest() {
  const room = await connected(...KINDS, ...VARIANTS);
  const ending = server;
  server = undefined;
  try {
    await ending.stop();
  } finally {
    // Those that would come back must not keep this process.
    await Promise.allSettled(room.map((member) => member.close()));
  }
}

/** Clients of these kinds in the room, each after the one before. */
async function connected(...kinds) {
  const clients = [];
  for (const kind of kinds) {
    try {
      clients.push(kind.client());
      await clients.at(-1).connect(server.url);
    } catch (error) {
      await Promise.allSettled(clients.map((client) => client.close()));
      throw new Error(`${kind.name} does not connect: ${error.message}`, { cause: error });
    }
  }
  return clients;
}

/** The next text that the hearer has: from the speaker, with his name, and from nobody else. */
async function heard(hearer, speaker) {
  const { id, name, protocol } = speaker.me;
  const said = await hearer.said.next(`a word of ${name}`);
  assert.deepEqual(said.from, { id, name, protocol });
  return said.text;
}

function numbered(count) {
  return Array.from({ length: count }, (_, index) => `message ${index}`);
}
