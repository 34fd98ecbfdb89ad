/** A POST that asks before it sends its body. */

import { once } from "node:events";
import { request } from "node:http";

import { within } from "./wait.mjs";

/**
 * The status of a POST whose body would have this length, asked for by its head alone. A server
 * that refuses closes without reading the body, and who sends it at once may never see the answer.
 */
export async function statusOfPost(url, length) {
  const headers = { Expect: "100-continue", "Content-Length": length };
  const asked = request(url, { method: "POST", headers });
  asked.flushHeaders();
  const [response] = await within(once(asked, "response"), "the answer");
  asked.destroy();
  return response.statusCode;
}
