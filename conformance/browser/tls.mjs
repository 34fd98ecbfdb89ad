/** `omniwire serve` over TLS. */

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/**
 * A certificate for localhost and `names`, as Chromium takes it for WebTransport: ECDSA, and valid
 * for less than two weeks. `hash` is its SHA-256.
 */
export function makeCertificate(names = []) {
  const folder = mkdtempSync(join(tmpdir(), "omniwire-"));
  const [certificate, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const all = ["localhost", ...names].map((name) => `DNS:${name}`).join();
  const subject = ["-subj", "/CN=localhost", "-addext", `subjectAltName=${all}`, "-days", "10"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", key, "-out", certificate];
  execFileSync("openssl", ["req", "-x509", ...curve, ...subject, ...files], { stdio: "pipe" });
  const { raw } = new X509Certificate(readFileSync(certificate));
  const hash = [...createHash("sha256").update(raw).digest()];
  return { certificate, key, hash, remove: () => rmSync(folder, { recursive: true }) };
}

/** The server, with a certificate made for it and for `names`; `lines` is what it logs. */
export async function startTls(names = [], more = []) {
  const { certificate, key, hash, remove } = makeCertificate(names);
  const flags = ["--host", "localhost", "--tls-cert", certificate, "--tls-key", key, ...more];
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
    remove();
  };
  return { stop, lines, port, hash, url: `https://localhost:${port}` };
}
