/** One server for the facts of one file. */

import assert from "node:assert/strict";
import { basename } from "node:path";
import { after, before, test } from "node:test";

import { startSuite } from "../server.mjs";
import { MISSING } from "./missing.mjs";

/** The server of a suite: started before the facts of this file, ended after them. */
export function suite(name, environment) {
  const file = basename(process.argv[1], ".test.mjs");
  const missing = new Map(Object.entries(MISSING[file] ?? {}));
  let under;
  before(async () => {
    under = await startSuite(name, environment);
  });
  after(async () => {
    await under?.stop();
    assert.deepEqual([...missing.keys()], [], "in missing.mjs, but no facts of this file");
  });

  /** A test named by what it shows. Where that is known to be missing, it must fail. */
  function fact(title, body) {
    const reason = missing.get(title);
    missing.delete(title);
    if (reason === undefined) return test(title, body);
    return test(`missing: ${title}`, async (t) => {
      t.diagnostic(reason);
      await assert.rejects(async () => body(t), "it works now: take it off contract/missing.mjs");
    });
  }

  return {
    fact,
    /** An address by HTTP. */
    http: (path) => new URL(path, under.url).href,
    /** An address by WebSocket. */
    ws: (path) => new URL(path, under.ws).href,
    /** Host and port for a bare TCP connection. */
    get address() {
      return under.address;
    },
  };
}
