/** Pages of other origins than the server's, and a browser to open them in. */

import { createServer } from "node:http";
import { once } from "node:events";
import { chromium } from "playwright-core";

export function launch(args = []) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", ...args],
  });
}

/** A site of its own: these files by path, each `[type, content]`; any other is an empty page. */
export async function startSite(files = {}) {
  const server = createServer((request, response) => {
    const path = request.url.split("?")[0];
    const [type, content] = files[path] ?? ["text/html", "<!doctype html><title>x</title>"];
    response.setHeader("Content-Type", type).end(content);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address();
  return { port, url: `http://localhost:${port}`, close: () => server.close() };
}
