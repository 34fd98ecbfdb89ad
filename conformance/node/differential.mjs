// What npm `ws` makes of octets on a connection: a line `ROLE OCTETS` in, a line `EVENTS END` out.

import { createInterface } from "node:readline";
import { Receiver } from "ws";

const MESSAGE_LEN_MAX = 1024;

// The receiver keeps the close code that an error asks for behind a symbol of its own.
function statusCode(error) {
  const symbol = Object.getOwnPropertySymbols(error).find((s) => s.description === "status-code");
  return error[symbol];
}

function receive(role, octets) {
  const receiver = new Receiver({ isServer: role === "server", maxPayload: MESSAGE_LEN_MAX });
  const events = [];
  let end = "open";
  const hear = (kind) => (data) => events.push(`${kind}:${data.toString("hex")} `);
  receiver.on("message", (data, isBinary) => hear(isBinary ? "b" : "t")(data));
  receiver.on("ping", hear("9"));
  receiver.on("pong", hear("a"));
  receiver.on("conclude", (code) => events.push(`8:${code} `));
  return new Promise((resolve) => {
    receiver.on("error", (error) => {
      end = `fail ${statusCode(error)}`;
      resolve(`${events.join("")}\t${end}`);
    });
    receiver.write(octets, (error) => error || resolve(`${events.join("")}\t${end}`));
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const [role, octets] = line.split("\t");
  process.stdout.write(`${await receive(role, Buffer.from(octets, "hex"))}\n`);
}
