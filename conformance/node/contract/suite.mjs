/** One server for the tests of one file. */

import { after, before } from "node:test";

import { startSuite } from "../server.mjs";

/** The server of a suite: started before the tests of this file, ended after them. */
export function suite(name, environment) {
  const under = { test: undefined };
  before(async () => {
    under.test = await startSuite(name, environment);
  });
  after(() => under.test?.stop());
  return {
    /** An address by HTTP. */
    http: (path) => new URL(path, under.test.url).href,
    /** An address by WebSocket. */
    ws: (path) => new URL(path, under.test.ws).href,
    /** Host and port for a bare TCP connection. */
    get address() {
      const { hostname, port } = new URL(under.test.url);
      return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) };
    },
  };
}
