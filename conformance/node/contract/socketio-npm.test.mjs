/**
 * The same bytes to our server and to npm's `socket.io`, which keeps the same contract
 * (`reference/socketio.mjs`): both must answer alike. Where we differ on purpose, a case says how.
 */

import { once } from "node:events";
import WebSocket from "ws";

import { within } from "../wait.mjs";
import {
  ask, comparison, drained, EIO3, EIO4, entered, PROBE, Raw, whole,
} from "./socketio-alike.mjs";

const alike = comparison();

// Requests that name no session that there is

const UPGRADE = {
  connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

const queries = [
  "", "EIO=4", "EIO=4&transport=polling", "EIO=4&transport=websocket", "EIO=4&transport=x",
  "EIO=4&transport=webtransport", "EIO=4&transport=__proto__", "EIO=4&transport=constructor",
  "EIO=3&transport=polling", "EIO=2&transport=polling", "EIO=5&transport=polling",
  "transport=polling", "transport=websocket", "EIO=&transport=polling", "EIO=4&TRANSPORT=polling",
  "EIO=4&transport=polling&sid=nobody", "EIO=4&transport=websocket&sid=nobody",
  "transport=polling&sid=nobody", "EIO=4&transport=polling&sid=", "EIO=4&EIO=3&transport=polling",
  "EIO=4&transport=polling&transport=websocket", "EIO=4&transport=polling&sid=a&sid=b",
  "EIO=3&transport=polling&b64=1", "EIO=3&transport=polling&j=0",
];

// npm sends scripts as plain text.
const SCRIPT = {
  "EIO=3&transport=polling&j=0": [
    200, "text/javascript; charset=UTF-8", "no-store", null,
    '___eio[0]("N:0{\\"sid\\":\\"ID\\",\\"upgrades\\":[\\"websocket\\"],'
      + '\\"pingInterval\\":25000,\\"pingTimeout\\":20000,\\"maxPayload\\":1000000}");',
  ],
};

for (const method of ["GET", "POST", "PUT", "DELETE", "OPTIONS"]) {
  for (const eio3 of [false, true]) {
    alike(`${method}, ${eio3 ? "with" : "without"} protocol 3`, queries, (server, query) => {
      return ask(server, `/socket.io/?${query}`, { method });
    }, { eio3, ours: eio3 && method === "GET" ? SCRIPT : {} });
  }
}

alike("upgrades that are refused", queries.filter((query) => /nobody|TRANS|_|=x|^$/.test(query)),
  async (server, query) => {
    const answer = await fetchUpgrade(server, `/socket.io/?${query}`);
    return [answer.status, answer.type, answer.body];
  });

async function fetchUpgrade(server, path) {
  const socket = new WebSocket(`${server.ws}${path}`, { headers: UPGRADE });
  const [, response] = await within(once(socket, "unexpected-response"), "the refusal");
  let body = "";
  for await (const part of response) body += part;
  return { status: response.statusCode, type: response.headers["content-type"], body };
}

// Packets over a WebSocket

const packets = [
  "40", "40/", "40,", "40/,", "40/chat", "40/chat,", "40/chat,{}", "40/chat,[]", "40/chat,1",
  '40/chat,"x"', "40/chat,null", '40/chat,{"a":1}', "40/chat?x=1,", "40/nowhere", "40/nowhere,",
  "400", "40{}", "40[]", "40x", "40/auth,", "40/dyn-5,", "40/dyn-x,", "41/chat,", "41{}",
  "41null", "42", "42/,", "42[]", "42{}", "42null", "42[1]", "42[1,2]", "42[null]", "42[{}]",
  "42[[]]", "42[true]", '42["echo"]', '42["echo",1]', '42["connect"]', '42["connect_error"]',
  '42["disconnect"]', '42["disconnecting"]', '42["newListener"]', '42["removeListener"]',
  '42["error"]', '42["connection"]', '42["nobody hears"]', '427["nobody hears"]', '42["echo",',
  '42["echo"]x', '42 ["echo"]', '420["echo-ack",1]', '42-1["echo-ack",1]', '421.5["echo-ack",1]',
  '42/chat,["echo"]', '42/chat["echo"]', '42/,["echo",7]', '42,["echo",7]', '42["echo",{"a":[]}]',
  '42["echo",{"_placeholder":true,"num":0}]', "43", "43[]", "430[]", "430", "4399[1]", "43{}",
  "43/chat,0[]", "430null", "44", '44{"message":"x"}', "44/chat,", "45", "450-[]", '450-["echo"]',
  '451-["echo"]', '45["echo"]', '45-["echo"]', '45x-["echo"]', '4511-["echo"]', "46", "461-0[]",
  "460-0[]", "451-[\"connect\"]", '451.5-["echo"]', '45+1-["echo"]', "47", "49", "4", "4x",
  "0", "1", "2", "3", "5", "6", "7", "", " ", "bAQ==", "2probe", "x",
];

alike("each packet of a client in `/`, and with what reason its socket goes", packets, whole, {
  ours: {
    // npm passes over it, and lets the ping time out.
    1: { heard: [], alive: false, gone: '42["gone","ID","transport close",[]]' },
  },
});

const binary = (name, ...packets) => ({ name, packets });
const one = Buffer.of(1);
const place = (num, more = "") => `451-["echo",{"_placeholder":true,"num":${num}}${more}]`;

alike("attachments", [
  binary("one", place(0), one),
  binary("out of range", place(1), one),
  binary("negative", place(-1), one),
  binary("a text for a number", place('"0"'), one),
  binary("a method for a number", place('"splice"'), one),
  binary("no number", '451-["echo",{"_placeholder":true}]', one),
  binary("not quite true", '451-["echo",{"_placeholder":1,"num":0}]', one),
  binary("repeated", place(0, ',{"_placeholder":true,"num":0}'), one),
  binary("nowhere", '451-["echo"]', one),
  binary("none is due", one),
  binary("text is not due", place(0), '42["echo"]'),
  binary("a pong between", place(0), "3", one),
  binary("a packet between", place(0), "41", one),
  binary("in another namespace", place(0).replace("-", "-/chat,"), one),
  binary("as the name", '451-[{"_placeholder":true,"num":0}]', one),
  binary("in a reserved event", place(0).replace("echo", "connect"), one),
  binary("in an acknowledgement", '451-7["echo-ack",{"a":[{"_placeholder":true,"num":0}]}]', one),
], (server, { packets }) => whole(server, packets));

const first = ['42["echo"]', "41", "43", "40/nowhere,", "44", "40{", "3", one, "40/chat,"];

alike("the first packet of a client", first, async (server, packet) => {
  const client = await Raw.open(server, EIO4);
  client.say(packet);
  // The contract's connect timeout is far away: what is not closed is asked into `/chat`.
  client.say("40/chat,");
  return client.rest(/^40\/chat|^44\/chat/);
});

// Packets of protocol 3

const packets3 = [
  "2", "2probe", "40", "40/chat", "40/chat?token=x", "40/chat?token=x,", "40/auth?token=secret",
  "40/auth?token=no", "40/nowhere", "41", "41/chat", '42["echo",1]', '420["echo-ack"]', "44", "3",
  "x", "b4AQ==", "42", '42["connect"]',
];

alike("protocol 3: each packet of a client in `/`", packets3, async (server, packet) => {
  const client = await Raw.open(server, EIO3);
  await client.until('42["welcome"');
  client.say(packet);
  // The middleware of `/auth` answers when a timer lets it.
  const refused = packet.startsWith("40/auth") ? await client.rest(/^4[024]\/auth,[["{]/) : [];
  client.say("40/dyn-1");
  return [refused, await client.rest(/^42\/dyn-1,\["welcome"/)];
}, { eio3: true });

// Payloads by POST

const payloads = [
  "", "4", "40", "41", "abc", "2", "3", "6", "5", "0", "1", "7", "9", "\x1e", "3\x1e", "\x1e3",
  "bAQ==", "b", '42["echo",1]', '42["echo",1]\x1e42["echo",2]',
  '451-["echo",{"_placeholder":true,"num":0}]\x1ebAQID', '42["bye"]', '42["kick-transport"]',
];

alike("each payload by POST", payloads, async (server, body) => {
  const path = await entered(server, EIO4);
  const posted = await ask(server, path, { method: "POST", body });
  const probed = await ask(server, path, { method: "POST", body: PROBE });
  return [posted, probed[0], await drained(server, path)];
});

const payloads3 = [
  "1:2", "1:3", "abc", "0:", "5:40", '13:42["echo",1]', '13:42["echo",1]11:42["echo"]', "1:1", "1:9",
  "2:4é", ":", "a:b", "-1:4", "2:41",
];

alike("protocol 3: each payload by POST", payloads3, async (server, body) => {
  const path = await entered(server, EIO3);
  const posted = await ask(server, path, { method: "POST", body });
  const probed = await ask(server, path, { method: "POST", body: `${PROBE.length}:${PROBE}` });
  return [posted, probed[0], await drained(server, path)];
}, { eio3: true });
