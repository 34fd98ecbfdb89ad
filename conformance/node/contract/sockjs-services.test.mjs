/** The services of contracts/sockjs.md beyond what the official suite sees. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import WebSocket from "ws";

import { Http2Connection } from "../h2.mjs";
import { frame, OPCODE } from "../raw.mjs";
import { clientsOf } from "../sockjs.mjs";
import { within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const server = suite("sockjs");
const { Client, Session } = clientsOf(server);
const TRANSPORTS = ["websocket", "xhr-streaming", "eventsource", "xhr-polling"];
const OWN_ORIGIN = "http://localhost:8090";

// Messages

for (const transport of TRANSPORTS) {
  test(`${transport}: /amplify sends 2^20 letters`, async () => {
    const client = await Client.open("/amplify", [transport]);
    client.send("20");
    assert.equal((await client.next()).length, 1_048_576);
    await client.close();
  });

  test(`${transport}: \`%\` and percent-escapes survive`, async () => {
    const client = await Client.open("/default_echo", [transport]);
    for (const text of ["100% ", "%41", "%", "%0A%zz", "</script>"]) {
      client.send(text);
      assert.equal(await client.next(), text);
    }
    await client.close();
  });

  test(`${transport}: 1 MB comes back`, async () => {
    const client = await Client.open("/echo", [transport]);
    const text = "ä漢😀x".repeat(100_000);
    client.send(text);
    assert.equal(await client.next(), text);
    await client.close();
  });

  test(`${transport}: many messages at once keep their order`, async () => {
    const client = await Client.open("/echo", [transport]);
    const texts = Array.from({ length: 500 }, (_, index) => `${index}`);
    texts.forEach((text) => client.send(text));
    assert.deepEqual(await client.take(500), texts);
    await client.close();
  });

  test(`${transport}: \`bare\` closes with no code and reason of the application's`, async () => {
    const client = await Client.open("/close_with", [transport]);
    client.send("bare");
    assert.deepEqual(await client.closed(), {
      code: 1000,
      reason: "Normal closure",
      wasClean: true,
    });
  });

  test(`${transport}: a burst of 50,000 is paced, not cut off`, async () => {
    const client = await Client.open("/burst", [transport]);
    client.send("50000 close");
    const numbers = await client.take(50_000);
    assert.deepEqual(numbers.at(-1), "49999");
    assert.equal((await client.closed()).code, 3001);
  });
}

test("/elsewhere sends the official client to /echo by its base_url", async () => {
  const client = await Client.open("/elsewhere", ["websocket"]);
  client.send("here");
  assert.equal(await client.next(), "here");
  await client.close();
});

test("/elsewhere itself closes at once with 3999 `not here`", async () => {
  const session = new Session("/elsewhere");
  assert.equal(await session.poll(), "o\n");
  assert.equal(await session.poll(), 'c[3999,"not here"]\n');
});

// Presence

/** A connection to /presence, and its number. */
async function arrive(transport) {
  const client = await Client.open("/presence", [transport]);
  const [, number] = /^you (\d+)$/.exec(await client.next());
  return { client, number };
}

for (const transport of TRANSPORTS) {
  test(`/presence: others hear of one by ${transport} that comes and closes`, async () => {
    const watcher = await arrive("websocket");
    const comer = await arrive(transport);
    assert.equal(await watcher.client.next(), `+${comer.number}`);
    comer.client.send("to myself");
    assert.equal(await comer.client.next(), "to myself");
    await comer.client.close();
    assert.equal(await watcher.client.next(), `-${comer.number}`);
    await watcher.client.close();
  });
}

test("/presence: an aborted stream ends its session at once", async () => {
  const watcher = await arrive("websocket");
  const session = new Session("/presence");
  const stream = await session.stream("xhr_streaming");
  await stream.until("a[");
  const number = (await watcher.client.next()).slice(1);
  stream.abort();
  assert.equal(await watcher.client.next(), `-${number}`);
  await watcher.client.close();
});

test("/presence: a session that nobody polls ends after its delay", async () => {
  const watcher = await arrive("websocket");
  const session = new Session("/presence");
  const begun = performance.now();
  assert.equal(await session.poll(), "o\n");
  const number = (await watcher.client.next()).slice(1);
  assert.equal(await watcher.client.next(), `-${number}`);
  assert.ok(performance.now() - begun > 1_500, "2 s have passed");
  assert.equal(await session.poll(), "o\n", "the name may be used again");
  await watcher.client.close();
});

test("/presence: a WebSocket that is cut off is gone", async () => {
  const watcher = await arrive("websocket");
  const socket = new WebSocket(server.ws("/presence/000/cut/websocket"));
  await within(once(socket, "open"), "the WebSocket");
  const number = (await watcher.client.next()).slice(1);
  socket.terminate();
  assert.equal(await watcher.client.next(), `-${number}`);
  await watcher.client.close();
});

// Sessions

for (const [transport, limit] of [["xhr_streaming", 4_096], ["eventsource", 4_096]]) {
  test(`${transport}: a response ends with the frame that passes ${limit} bytes`, async () => {
    const session = new Session("/echo");
    const stream = await session.stream(transport);
    await stream.until("o");
    const text = "x".repeat(1_000);
    for (let sent = 0; sent < 5; sent++) await session.send(`["${text}"]`);
    const whole = await stream.ended();
    const frames = whole.match(/a\[/g).length;
    assert.ok(frames >= 1 && whole.length < 2_049 + limit + 2_100, `${whole.length}`);
    assert.ok((whole.match(/x{1000}/g) ?? []).length >= 4);
  });

  test(`${transport}: a session that goes on does not open again`, async () => {
    const session = new Session("/echo");
    const stream = await session.stream(transport);
    await stream.until("o");
    await session.send(`["${"x".repeat(5_000)}"]`);
    await stream.ended();
    await session.send('["next"]');
    assert.equal(await session.poll(), 'a["next"]\n');
  });
}

test("a response of /default_echo goes on past 100 KB", async () => {
  const session = new Session("/default_echo");
  const stream = await session.stream("xhr_streaming");
  await stream.until("o\n");
  await session.send(`["${"x".repeat(100_000)}"]`);
  await stream.until("x\"]\n");
  await session.send('["and on"]');
  await stream.until("and on");
  await session.send(`["${"y".repeat(40_000)}"]`);
  assert.ok((await stream.ended()).endsWith('y"]\n'));
});

test("the refusal of a second receiver crosses transports, and the first goes on", async () => {
  const session = new Session("/echo");
  const stream = await session.stream("eventsource");
  await stream.until("o");
  assert.equal(await session.poll(), 'c[2010,"Another connection still open"]\n');
  await session.send('["still"]');
  await stream.until("still");
  stream.abort();
});

test("sessions of two services share no names", async () => {
  const session = new Session("/echo");
  assert.equal(await session.poll(), "o\n");
  const other = session.url("xhr").replace("/echo/", "/default_echo/");
  const response = await fetch(other, { method: "POST" });
  assert.equal(await response.text(), "o\n");
});

test("a session that is closing takes no messages", async () => {
  const session = new Session("/close");
  await session.poll();
  assert.equal((await session.send('["x"]')).status, 404);
  assert.equal(await session.poll(), 'c[3000,"Go away!"]\n');
});

test("messages before a close come before it, over polling too", async () => {
  const session = new Session("/burst");
  await session.poll();
  await session.send('["3 close"]');
  assert.equal(await session.poll(), 'a["0","1","2"]\n');
  assert.equal(await session.poll(), 'c[3001,"done"]\n');
});

for (const [body, what] of [
  ['{"a":1}', "an object"],
  ['"text"', "a bare string"],
  ["[1", "broken JSON"],
  ["[1]]", "JSON and more"],
]) {
  test(`sending ${what} is 500, and the session lives on`, async () => {
    const session = new Session("/echo");
    await session.poll();
    assert.equal((await session.send(body)).status, 500);
    await session.send('["on"]');
    assert.equal(await session.poll(), 'a["on"]\n');
  });
}

test("broken JSON on a WebSocket closes it", async () => {
  const socket = new WebSocket(server.ws("/echo/000/broken/websocket"));
  const closed = once(socket, "close");
  await within(once(socket, "message"), "the open frame");
  socket.send('["x');
  await within(closed, "the close");
});

test("a close frame on a WebSocket is followed by its end", async () => {
  const socket = new WebSocket(server.ws("/close/000/ends/websocket"));
  const heard = [];
  socket.on("message", (data) => heard.push(data.toString()));
  await within(once(socket, "close"), "the close");
  assert.deepEqual(heard, ["o", 'c[3000,"Go away!"]']);
});

test("the raw WebSocket of /close has code and reason in its Close", async () => {
  const socket = new WebSocket(server.ws("/close/websocket"));
  const [code, reason] = await within(once(socket, "close"), "the close");
  assert.deepEqual([code, reason.toString()], [3000, "Go away!"]);
});

// Paths, origins, and other versions of HTTP

for (const path of ["/", "/echofoo", "/echofoo/info", "/echo/x/y/z", "/info", "/echo/info/x"]) {
  test(`GET ${path} is 404`, async () => {
    assert.equal((await fetch(server.http(path))).status, 404);
  });
}

const LOCKED = [
  ["GET", "/locked_echo"],
  ["GET", "/locked_echo/"],
  ["GET", "/locked_echo/info"],
  ["OPTIONS", "/locked_echo/info"],
  ["GET", "/locked_echo/iframe.html"],
  ["POST", "/locked_echo/000/locked/xhr"],
  ["POST", "/locked_echo/000/locked/xhr_streaming"],
  ["POST", "/locked_echo/000/locked/xhr_send"],
  ["GET", "/locked_echo/000/locked/eventsource"],
  ["GET", "/locked_echo/000/locked/htmlfile?c=x"],
  ["GET", "/locked_echo/000/locked/jsonp?c=x"],
  ["POST", "/locked_echo/000/locked/jsonp_send"],
];

for (const [method, path] of LOCKED) {
  test(`${method} ${path} is 403 for other origins`, async () => {
    for (const Origin of ["http://a.example", "null", "http://localhost:8091"]) {
      const response = await fetch(server.http(path), { method, headers: { Origin } });
      assert.equal(response.status, 403, Origin);
      assert.equal(response.headers.get("access-control-allow-origin"), null);
    }
  });
}

for (const path of ["/locked_echo/websocket", "/locked_echo/000/locked/websocket"]) {
  test(`${path} is open to one origin only`, async () => {
    const stranger = new WebSocket(server.ws(path), { origin: "http://a.example" });
    const [error] = await within(once(stranger, "error"), "the refusal");
    assert.match(error.message, /403/);
    const socket = new WebSocket(server.ws(path), { origin: OWN_ORIGIN });
    await within(once(socket, "open"), "the WebSocket");
    socket.terminate();
  });
}

for (const path of ["info", "000/x/xhr", "000/x/xhr_send", "000/y/eventsource"]) {
  test(`/no_cors_echo/${path} has no CORS headers`, async () => {
    const method = path.includes("xhr") ? "POST" : "GET";
    const headers = { Origin: "http://a.example" };
    const stop = new AbortController();
    const { signal } = stop;
    const response = await fetch(server.http(`/no_cors_echo/${path}`), { method, headers, signal });
    for (const name of response.headers.keys()) {
      assert.ok(!name.startsWith("access-control-"), name);
    }
    stop.abort();
  });
}

test("/chunking_test brings its pieces one by one, as the reference does", async () => {
  const headers = { Origin: "http://a.example" };
  const response = await fetch(server.http("/echo/chunking_test"), { method: "POST", headers });
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^application\/javascript/);
  assert.equal(response.headers.get("access-control-allow-origin"), "http://a.example");
  const begun = performance.now();
  const arrived = [];
  for await (const piece of response.body) {
    for (const _ of Buffer.from(piece).toString().matchAll(/h\n/g)) {
      arrived.push(performance.now() - begun);
    }
  }
  assert.equal(arrived.length, 7);
  assert.ok(arrived[4] < arrived[6] - 2_000, `${arrived}`);
  const preflight = await fetch(server.http("/echo/chunking_test"), { method: "OPTIONS", headers });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-methods"), "OPTIONS, POST");
  assert.equal((await fetch(server.http("/echo/chunking_test"))).status, 405);
});

test("the iframe page loads the configured script", async () => {
  const page = await (await fetch(server.http("/echo/iframe.html"))).text();
  assert.ok(page.includes('src="http://localhost:8090/sockjs.min.js"'), page);
});

let opened;
const connectHttp2 = () => (opened ??= Http2Connection.open(server.address));
after(async () => (await opened)?.close());

test("HTTP/2: /info, a poll and a message", async () => {
  const connection = await connectHttp2();
  const info = await connection.request({ ":path": "/echo/info" });
  assert.equal(JSON.parse(info.body).websocket, true);
  const post = (path, body) => connection.request({ ":method": "POST", ":path": path }, body);
  assert.equal((await post("/echo/000/h2/xhr", "")).body, "o\n");
  assert.equal((await post("/echo/000/h2/xhr_send", '["x"]')).status, 204);
  assert.equal((await post("/echo/000/h2/xhr", "")).body, 'a["x"]\n');
});

test("HTTP/2: a WebSocket by extended CONNECT", async () => {
  const { status, socket } = await (await connectHttp2()).handshake("/echo/000/h2ws/websocket");
  assert.equal(status, 200);
  assert.equal((await socket.frames.next()).payload.toString(), "o");
  socket.write(frame(OPCODE.text, '["x"]'));
  assert.equal((await socket.frames.next()).payload.toString(), 'a["x"]');
});

test("HTTP/2: /disabled_websocket_echo refuses extended CONNECT with 404", async () => {
  const connection = await connectHttp2();
  const path = "/disabled_websocket_echo/000/h2ws/websocket";
  assert.equal((await connection.handshake(path)).status, 404);
});
