/** Our configuration's table `socketio_cookie`, and `cookie: {…}` of npm's server: one text. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { BINARY, startDemo, startReference } from "../server.mjs";

const folder = mkdtempSync(join(tmpdir(), "omniwire-cookie-"));
after(() => rmSync(folder, { recursive: true }));

/** npm's option, and our table. */
const cases = [
  [true, ""],
  [{ name: "sticky" }, 'name = "sticky"'],
  [{ path: "/chat", httpOnly: false }, 'path = "/chat"\nhttp_only = false'],
  [{ path: "" }, 'path = ""'],
  [{ sameSite: "strict", maxAge: 86_400 }, 'same_site = "strict"\nmax_age = 86400'],
  [{ sameSite: "none", secure: true, partitioned: true },
    'same_site = "none"\nsecure = true\npartitioned = true'],
  [{ sameSite: false, maxAge: 0 }, 'same_site = "unset"\nmax_age = 0'],
  [{ sameSite: true }, 'same_site = "strict"'],
  [{
    name: "io_1", domain: ".example.com", path: "/a b", maxAge: 1, secure: true, priority: "high",
  }, 'name = "io_1"\ndomain = ".example.com"\npath = "/a b"\nmax_age = 1\nsecure = true\n'
    + 'priority = "high"'],
  [{ priority: "low", domain: "localhost" }, 'priority = "low"\ndomain = "localhost"'],
  [{ priority: "medium" }, 'priority = "medium"'],
];

for (const [index, [option, table]] of cases.entries()) {
  test(`cookie: ${JSON.stringify(option)}`, async () => {
    const ours = await startDemo(["--config", configuration(`case-${index}`, table)]);
    const npm = await startReference({ SIO_COOKIE_OPTION: JSON.stringify(option) });
    const [told, expected] = [await cookie(ours), await cookie(npm)];
    assert.match(expected, /^\w+=SID/);
    assert.equal(told, expected);
    await Promise.all([ours.stop(), npm.stop()]);
  });
}

test("what npm's server would throw at is told in one line, with exit code 2", () => {
  for (const [index, table] of [
    'name = "a b"', 'name = ""', 'domain = "a..b"', 'path = "/;Secure"', 'same_site = "sometimes"',
    'max_age = "1"', "max_age = -1", 'priority = "urgent"', 'httpOnly = true',
  ].entries()) {
    const args = ["serve", "--port", "0", "--config", configuration(`bad-${index}`, table)];
    const { status, stderr } = spawnSync(BINARY, args, { encoding: "utf8", timeout: 10_000 });
    assert.equal(status, 2, table);
    assert.match(stderr, /^omniwire: [^\n]+\n$/, table);
  }
});

function configuration(name, table) {
  const file = join(folder, `${name}.toml`);
  writeFileSync(file, `[socketio_cookie]\n${table}\n`);
  return file;
}

/** The cookie of a new session, without its id, which is checked. */
async function cookie(server) {
  const response = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`);
  const { sid } = JSON.parse((await response.text()).slice(1));
  const cookies = response.headers.getSetCookie();
  assert.equal(cookies.length, 1);
  assert.ok(cookies[0].includes(`=${sid}`), cookies[0]);
  return cookies[0].replace(sid, "SID");
}
