/** The way up for the clients whose way down is an HTTP response: POST /send/chat. */

import { type Call, type Envelope, resultOf } from "../envelope.ts";
import { CallError } from "../room.ts";

export class Upstream {
  /** The token that the server's `open` envelope gave; none while there is no session. */
  session: string | undefined;
  #last = 0;
  readonly #forgotten: () => void;

  /** `forgotten` is called when the server no longer knows the session. */
  constructor(forgotten: () => void) {
    this.#forgotten = forgotten;
  }

  async call(event: string, args: unknown[]): Promise<unknown> {
    const session = this.session;
    if (session === undefined) throw CallError.offline();
    const call: Call = { event, args, id: ++this.#last };
    const response = await fetch(`/send/chat?session=${encodeURIComponent(session)}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(call),
    });
    if (!response.ok) {
      if (session === this.session && UNKNOWN.has(response.status)) this.#forgotten();
      throw new CallError(String(response.status), `the server answered ${response.status}`);
    }
    // The answer holds the replies to the calls in the body, here just one.
    const replies = (await response.json()) as Envelope[];
    const reply = replies.find(({ reply }) => reply === call.id);
    if (!reply) throw new CallError("no_reply", "the answer has no reply to the call");
    return resultOf(reply);
  }
}

const UNKNOWN = new Set([401, 403, 404, 410]);
