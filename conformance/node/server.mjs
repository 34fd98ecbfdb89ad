/** The binary under test: started on a free port, ended by SIGTERM. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { within } from "./wait.mjs";

const RELEASE = fileURLToPath(new URL("../../target/release/omniwire", import.meta.url));
export const BINARY = process.env.OMNIWIRE_BIN || RELEASE;

// The runner ends a file that takes too long by this. Servers must go with it: they hold its
// standard error, and it would wait for them for ever.
process.once("SIGTERM", () => process.exit(1));

/** Servers that run. They do not keep this process, and go with it, also when a test fails. */
const children = new Set();
process.once("exit", () => children.forEach((child) => child.kill("SIGKILL")));

/** How long a server may take from SIGTERM to its end. */
const STOP_MS = 6_000;

/** `omniwire serve` with the demo; `port` 0 takes a free one. */
export function startDemo(flags = [], port = 0) {
  const args = ["serve", "--port", `${port}`, ...flags];
  return Server.start(args, /https?:\/\/(?<address>[^\s/]+:\d+)/);
}

/** `omniwire conformance --suite NAME`, with further environment; `port` 0 takes a free one. */
export function startSuite(suite, environment = {}, port = 0, flags = []) {
  const args = ["conformance", "--suite", suite, "--port", `${port}`, ...flags];
  return Server.start(args, /listening on (?<address>\S+:\d+)/, environment);
}

/** npm's `socket.io` with the same contract and environment. */
export function startReference(environment = {}) {
  const program = fileURLToPath(new URL("reference/socketio.mjs", import.meta.url));
  return Server.start([program], /listening on (?<address>\S+:\d+)/, environment, process.execPath);
}

export class Server {
  #child;

  /** Starts the binary and waits until it says where it listens. */
  static async start(args, ready, environment = {}, binary = BINARY) {
    const server = new Server();
    server.#child = spawn(binary, args, {
      stdio: ["ignore", "pipe", "inherit"],
      // It warns of variables that look like settings.
      env: { ...process.env, OMNIWIRE_BIN: undefined, ...environment },
    });
    children.add(server.#child);
    server.#child.once("exit", () => children.delete(server.#child));
    server.#child.unref();
    server.#child.stdout.unref();
    const address = await within(server.#address(ready), `omniwire ${args[0]} to listen`, 20_000);
    server.host = address;
    server.url = `http://${address}`;
    server.ws = `ws://${address}`;
    return server;
  }

  #address(ready) {
    return new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("exit", (code) => reject(new Error(`omniwire ended with ${code}`)));
      createInterface(this.#child.stdout).on("line", (line) => {
        const found = ready.exec(line);
        if (found) resolve(found.groups.address);
      });
    });
  }

  /** Host and port for a bare TCP connection. */
  get address() {
    const { hostname, port } = new URL(this.url);
    return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) };
  }

  /** What of it is in memory. */
  residentKib() {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)[1]);
  }

  /** For what does not mind SIGTERM. */
  kill() {
    this.#child.kill("SIGKILL");
  }

  /** Its end without a word to anybody. */
  async die() {
    const ended = once(this.#child, "exit");
    this.kill();
    await within(ended, "the end after SIGKILL");
  }

  /** SIGTERM, whatever follows. */
  terminate() {
    this.#child.kill("SIGTERM");
  }

  /** SIGTERM: it must end within its time, and with exit code 0. */
  async stop() {
    const ended = once(this.#child, "exit");
    this.terminate();
    const [code, signal] = await within(ended, "the end after SIGTERM", STOP_MS);
    assert.deepEqual({ code, signal }, { code: 0, signal: null });
  }
}
