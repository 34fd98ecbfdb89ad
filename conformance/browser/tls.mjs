/** `omniwire serve` over TLS. */

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** The server, with a certificate made for it and for `names`; `lines` is what it logs. */
export async function startTls(names = []) {
  const folder = mkdtempSync(join(tmpdir(), "omniwire-"));
  const [certificate, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const all = ["localhost", ...names].map((name) => `DNS:${name}`).join();
  const subject = ["-subj", "/CN=localhost", "-addext", `subjectAltName=${all}`];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", key, "-out", certificate];
  execFileSync("openssl", ["req", "-x509", ...curve, ...subject, ...files], { stdio: "pipe" });
  const flags = ["--host", "localhost", "--tls-cert", certificate, "--tls-key", key];
  for (const name of names) flags.push("--allow-host", name);
  const command = ["serve", "--port", "0", "--log", "omniwire=debug", ...flags];
  const process_ = spawn(process.env.OMNIWIRE, command, { stdio: ["ignore", "pipe", "pipe"] });
  const lines = [];
  createInterface({ input: process_.stderr }).on("line", (line) => lines.push(line));
  const [announced] = await once(createInterface({ input: process_.stdout }), "line");
  const port = announced.match(/https:\/\/[^/]*:(\d+)\//)[1];
  const stop = async () => {
    const ended = once(process_, "exit");
    process_.kill("SIGTERM");
    assert.equal((await ended)[0], 0);
    rmSync(folder, { recursive: true });
  };
  return { stop, lines, port, url: `https://localhost:${port}` };
}
