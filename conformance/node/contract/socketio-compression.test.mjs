/** Polling answers are compressed from 1024 bytes on, as npm's are. */

import assert from "node:assert/strict";
import { gunzipSync, inflateSync } from "node:zlib";
import { once } from "node:events";
import { request } from "node:http";

import { within } from "../wait.mjs";
import { Polling } from "./socketio-sockets.mjs";
import { suite } from "./suite.mjs";

const server = suite("socketio");
const { fact } = server;

/** The answer to a poll, with its body as it came. */
async function poll(url, accepted) {
  const headers = accepted === undefined ? {} : { "accept-encoding": accepted };
  const asked = request(url, { headers });
  asked.end();
  const [answer] = await within(once(asked, "response"), "the answer to a poll");
  const chunks = [];
  for await (const chunk of answer) chunks.push(chunk);
  return { coding: answer.headers["content-encoding"], body: Buffer.concat(chunks) };
}

for (const [accepted, coding, open] of [
  ["gzip, deflate, br", "gzip", gunzipSync],
  ["deflate", "deflate", inflateSync],
  ["br", undefined, (body) => body],
  [undefined, undefined, (body) => body],
]) {
  fact(`accept-encoding: ${accepted}`, async () => {
    const polling = await Polling.enter(server);
    const text = "x".repeat(1100);
    await polling.post(`42["echo","${text}"]`);
    const answer = await poll(polling.url, accepted);
    assert.equal(answer.coding, coding);
    assert.equal(open(answer.body).toString(), `42["echo-back","${text}"]`);
    await polling.post('42["echo","short"]');
    assert.equal((await poll(polling.url, accepted)).coding, undefined, "too short");
  });
}
