/** What all clients of the chat share: who they are, and what they hear. */

import { Inbox, within } from "../wait.mjs";

/** What the chat says, for clients that must know. */
export const EVENTS = ["hello", "members", "said", "presence"];

export class Member {
  /** Whether the kind has calls with replies. */
  canCall = true;
  /** Whether half of a surrogate pair can be sent at all. */
  canSendLoneSurrogate = true;
  /** The longest text that the kind's limits let through to the server. */
  sayMax = 1_000_000;

  said = new Inbox();
  /** Changes of the rooms that it watches: `{ room, joined, left, count }`. */
  presence = new Inbox();
  /** `{ id, name, protocol, carrier }`, as the server's `hello` has it. */
  me = undefined;
  /** The newest list of members. */
  members = [];

  #events = new Inbox();
  #welcome;
  #welcomed = new Promise((resolve, reject) => {
    this.#welcome = { resolve, reject };
  });

  async connect(base) {
    // Whatever opens the line rejects the welcome when it fails, so that nobody waits in vain.
    Promise.resolve(this.open(base)).catch((error) => this.failed(error));
    await within(this.#welcomed, "hello");
    return this;
  }

  say(text) {
    return this.sayJson(JSON.stringify(text));
  }

  /** Resolves once the condition holds, which the next event may change. */
  async until(condition, what, limitMs) {
    while (!condition()) await this.#events.next(what, () => true, limitMs);
  }

  /** An event of the chat has arrived. */
  heard(event, args) {
    if (event === "hello") {
      [this.me, this.members] = args;
      this.#welcome.resolve();
    } else if (event === "members") {
      [this.members] = args;
    } else if (event === "said") {
      const [from, text] = args;
      this.said.push({ from, text });
    } else if (event === "presence") {
      const [room, change] = args;
      this.presence.push({ room, ...change });
    }
    this.#events.push(event);
  }

  failed(error) {
    this.#welcome.reject(error);
  }
}
