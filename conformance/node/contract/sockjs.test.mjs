/** `omniwire conformance --suite sockjs`, by contracts/sockjs.md, with sockjs-client and by hand. */

import assert from "node:assert/strict";
import { once } from "node:events";
import WebSocket from "ws";

import { clientsOf } from "../sockjs.mjs";
import { within } from "../wait.mjs";
import { suite } from "./suite.mjs";

const server = suite("sockjs");
const { Client, Session } = clientsOf(server);
const { fact } = server;
const TRANSPORTS = ["websocket", "xhr-streaming", "eventsource", "xhr-polling"];
const TEXTS = ["hello", "", "ä 漢 😀", "\"\\\b\f\n\r\t\u0000\u001e", "\u2028\u2029\ufeff\uffff"];

// The official client

for (const transport of TRANSPORTS) {
  fact(`${transport}: echoes every text`, async () => {
    const client = await Client.open("/echo", [transport]);
    for (const text of TEXTS) {
      client.send(text);
      assert.equal(await client.next(), text);
    }
    await client.close();
  });

  fact(`${transport}: passes the response limit and keeps the order`, async () => {
    const client = await Client.open("/burst", [transport]);
    client.send("2000");
    const numbers = await client.take(2_000);
    assert.deepEqual(numbers, numbers.map((_, index) => `${index}`));
    await client.close();
  });

  fact(`${transport}: a lone surrogate comes back as it went`, async () => {
    const client = await Client.open("/echo", [transport]);
    client.send("a\ud800b");
    assert.equal(await client.next(), "a\ud800b");
    await client.close();
  });

  fact(`${transport}: /close closes at once with 3000 \`Go away!\``, async () => {
    const client = new Client("/close", [transport]);
    assert.deepEqual(await client.closed(), { code: 3000, reason: "Go away!", wasClean: true });
  });

  fact(`${transport}: /close_with closes with what it is told`, async () => {
    const client = await Client.open("/close_with", [transport]);
    client.send("4001 so be it");
    assert.deepEqual(await client.closed(), { code: 4001, reason: "so be it", wasClean: true });
  });

  fact(`${transport}: /burst sends all before it closes`, async () => {
    const client = await Client.open("/burst", [transport]);
    client.send("500 close");
    assert.equal((await client.take(500)).at(-1), "499");
    assert.deepEqual(await client.closed(), { code: 3001, reason: "done", wasClean: true });
  });
}

fact("/broadcast reaches every connection on every transport, the sender too", async () => {
  const clients = [];
  for (const transport of TRANSPORTS) clients.push(await Client.open("/broadcast", [transport]));
  clients[1].send("to all");
  for (const client of clients) assert.equal(await client.next(), "to all");
  await Promise.all(clients.map((client) => client.close()));
});

fact("/amplify makes 2^n letters of n", async () => {
  const client = await Client.open("/amplify", ["xhr-streaming"]);
  client.send("17");
  assert.equal(await client.next(), "x".repeat(131_072));
  await client.close();
});

fact("without a WebSocket the client falls back", async () => {
  const client = await Client.open("/disabled_websocket_echo", undefined);
  client.send("still here");
  assert.equal(await client.next(), "still here");
  await client.close();
});

fact("a prefix may have slashes", async () => {
  const client = await Client.open("/a/b/c/echo", ["websocket"]);
  client.send("x");
  assert.equal(await client.next(), "x");
  await client.close();
});

fact("/presence tells who comes and who goes", async () => {
  const watcher = await Client.open("/presence", ["websocket"]);
  assert.match(await watcher.next(), /^you \d+$/);
  const comer = await Client.open("/presence", ["xhr-streaming"]);
  const number = (await comer.next()).slice("you ".length);
  assert.equal(await watcher.next(), `+${number}`);
  await comer.close();
  assert.equal(await watcher.next(), `-${number}`);
  await watcher.close();
});

// Paths and heads

for (const path of ["/echo", "/echo/"]) {
  fact(`GET ${path} greets`, async () => {
    const response = await fetch(server.http(path));
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type"), /^text\/plain/);
    assert.equal(await response.text(), "Welcome to SockJS!\n");
  });
}

fact("/info tells what there is, with new entropy each time", async () => {
  const [first, second] = [await info("/echo"), await info("/echo")];
  const { entropy, ...rest } = first;
  assert.deepEqual(rest, { websocket: true, origins: ["*:*"], cookie_needed: false });
  assert.ok(Number.isInteger(entropy) && entropy >= 0 && entropy < 2 ** 32);
  assert.notEqual(entropy, second.entropy);
});

fact("/info tells what differs", async () => {
  assert.equal((await info("/disabled_websocket_echo")).websocket, false);
  assert.equal((await info("/cookie_needed_echo")).cookie_needed, true);
  assert.match((await info("/elsewhere")).base_url, /\/echo$/);
});

fact("/info is not cached and open to all origins", async () => {
  const headers = { Origin: "http://a.example" };
  const response = await fetch(server.http("/echo/info"), { headers });
  assert.match(response.headers.get("cache-control"), /no-store/);
  assert.ok(["*", "http://a.example"].includes(response.headers.get("access-control-allow-origin")));
});

fact("/no_cors_echo has no CORS headers", async () => {
  const headers = { Origin: "http://a.example" };
  const response = await fetch(server.http("/no_cors_echo/info"), { headers });
  assert.equal(response.headers.get("access-control-allow-origin"), null);
});

fact("/locked_echo lets in one origin and refuses others with 403", async () => {
  for (const [origin, status] of [["http://localhost:8090", 200], ["http://a.example", 403]]) {
    const response = await fetch(server.http("/locked_echo/info"), { headers: { Origin: origin } });
    assert.equal(response.status, status, origin);
  }
});

fact("the iframe page is cached for a year and has an ETag", async () => {
  const response = await fetch(server.http("/echo/iframe.html"));
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^text\/html/);
  assert.match(response.headers.get("cache-control"), /max-age=31536000/);
  const headers = { "If-None-Match": response.headers.get("etag") };
  assert.equal((await fetch(server.http("/echo/iframe.html"), { headers })).status, 304);
});

for (const path of ["/nowhere", "/echo/000/sess", "/echo/a.b/sess/xhr", "/echo//x/xhr"]) {
  fact(`POST ${path} is 404`, async () => {
    assert.equal((await fetch(server.http(path), { method: "POST" })).status, 404);
  });
}

fact("/disabled_websocket_echo has no WebSocket", async () => {
  const socket = new WebSocket(server.ws("/disabled_websocket_echo/000/x/websocket"));
  const [error] = await within(once(socket, "error"), "the refusal");
  assert.match(error.message, /404/);
});

fact("the raw WebSocket echoes without frames", async () => {
  const socket = new WebSocket(server.ws("/echo/websocket"));
  await within(once(socket, "open"), "the raw WebSocket");
  socket.send("bare");
  const [data] = await within(once(socket, "message"), "the echo");
  assert.equal(data.toString(), "bare");
  socket.close();
});

// Sessions by hand

fact("xhr: opens, takes a message, gives it back", async () => {
  const session = new Session("/echo");
  assert.equal(await session.poll(), "o\n");
  const sent = await session.send('["x"]');
  assert.deepEqual([sent.status, sent.body], [204, ""]);
  assert.equal(await session.poll(), 'a["x"]\n');
});

fact("messages that wait come in one array", async () => {
  const session = new Session("/echo");
  await session.poll();
  await session.send('["a","b"]');
  await session.send('["c"]');
  assert.equal(await session.poll(), 'a["a","b","c"]\n');
});

fact("sending to no session is 404", async () => {
  assert.equal((await new Session("/echo").send('["x"]')).status, 404);
});

for (const [body, status, text] of [
  ["", 500, "Payload expected."],
  ['["x', 500, "Broken JSON encoding."],
]) {
  fact(`sending ${JSON.stringify(body)} is ${status} \`${text}\`, and the session lives on`, async () => {
    const session = new Session("/echo");
    await session.poll();
    const sent = await session.send(body);
    assert.deepEqual([sent.status, sent.body], [status, text]);
    await session.send('["on"]');
    assert.equal(await session.poll(), 'a["on"]\n');
  });
}

fact("a second receiver is told c[2010]", async () => {
  const session = new Session("/echo");
  await session.poll();
  const first = session.poll();
  // Both are on their way at once; one of them waits, and the other is refused.
  const second = session.poll();
  const refused = await within(Promise.race([first, second]), "the refusal");
  assert.equal(refused, 'c[2010,"Another connection still open"]\n');
  await Promise.allSettled([session.send('["end"]'), first, second]);
});

fact("a closed session tells each poll the same", async () => {
  const session = new Session("/close");
  assert.equal(await session.poll(), "o\n");
  assert.equal(await session.poll(), 'c[3000,"Go away!"]\n');
  assert.equal(await session.poll(), 'c[3000,"Go away!"]\n');
});

fact("the server part of the path does not matter", async () => {
  const session = new Session("/echo");
  await session.poll();
  await session.send('["x"]', "999");
  assert.equal(await session.poll("111"), 'a["x"]\n');
});

fact("xhr_streaming begins with 2 KiB of `h`", async () => {
  const session = new Session("/echo");
  const response = await fetch(session.url("xhr_streaming"), { method: "POST" });
  const reader = response.body.getReader();
  let text = "";
  while (text.length < 2_051) text += Buffer.from((await within(reader.read(), "data")).value);
  assert.equal(text, `${"h".repeat(2_048)}\no\n`);
  await reader.cancel();
});

fact("what JavaScript would stumble over is escaped", async () => {
  const session = new Session("/echo");
  await session.poll();
  await session.send('["\\u200c\\u2028\\ufff0\\ud800"]');
  const frame = await session.poll();
  assert.equal(frame, 'a["\\u200c\\u2028\\ufff0\\ud800"]\n');
});

fact("/cookie_needed_echo sets JSESSIONID, and keeps the client's", async () => {
  const session = new Session("/cookie_needed_echo");
  const first = await fetch(session.url("xhr"), { method: "POST" });
  assert.match(first.headers.get("set-cookie"), /^JSESSIONID=dummy; ?path=\//i);
  const headers = { Cookie: "JSESSIONID=abcdef" };
  const second = new Session("/cookie_needed_echo");
  const kept = await fetch(second.url("xhr"), { method: "POST", headers });
  assert.match(kept.headers.get("set-cookie"), /^JSESSIONID=abcdef/);
});

fact("/beat_echo sends heartbeats", async () => {
  const session = new Session("/beat_echo");
  assert.equal(await session.poll(), "o\n");
  assert.equal(await within(session.poll(), "a heartbeat", 2_000), "h\n");
});

async function info(prefix) {
  const response = await fetch(server.http(`${prefix}/info`));
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^application\/json/);
  return response.json();
}
