/** What comes down an HTTP response, with POSTs for the way up. */

import { EventSource } from "eventsource";

import { within } from "../wait.mjs";
import { Calls } from "./envelope.mjs";
import { EVENTS, Member } from "./member.mjs";

/** Says and calls by POST, one at a time: two at once could overtake each other. */
class Poster extends Member {
  #base;
  #calls = new Calls();
  #before = Promise.resolve();

  open(base) {
    this.#base = base;
  }

  call(name, ...args) {
    return this.#call(name, ...args.map((arg) => JSON.stringify(arg)));
  }

  sayJson(json) {
    return this.#call("say", json);
  }

  #call(name, ...args) {
    const { envelope, reply } = this.#calls.begin(name, ...args);
    this.#before = this.#before.then(() => this.#post(envelope)).catch((error) => {
      this.#calls.abandon(error);
    });
    return reply;
  }

  async #post(envelope) {
    const query = `session=${encodeURIComponent(this.opened.session)}`;
    const response = await fetch(new URL(`/send/chat?${query}`, this.#base), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: envelope,
    });
    const text = await within(response.text(), "the answer to a POST");
    if (!response.ok) throw new Error(`POST /send/chat: ${response.status} ${text}`);
    for (const reply of JSON.parse(text)) this.#calls.settle(reply);
  }
}

export class ServerSentEvents extends Poster {
  #source;

  open(base) {
    super.open(base);
    this.#source = new EventSource(new URL("/sse/chat", base));
    for (const event of EVENTS) {
      this.#source.addEventListener(event, ({ data }) => this.heard(event, JSON.parse(data)));
    }
    this.#source.addEventListener("omniwire", ({ data }) => {
      const { open } = JSON.parse(data);
      if (open) this.opened = open;
    });
    this.#source.addEventListener("error", ({ code, message }) => {
      this.failed(new Error(`event stream: ${code} ${message}`));
    });
  }

  close() {
    this.#source.close();
    return Promise.resolve();
  }
}

export class LongPoll extends Poster {
  #stopped = new AbortController();
  #run;

  open(base) {
    super.open(base);
    this.#run = this.#poll(new URL("/poll/chat", base)).catch((error) => {
      if (!this.#stopped.signal.aborted) this.failed(error);
    });
  }

  async #poll(url) {
    for (;;) {
      const response = await fetch(url, { signal: this.#stopped.signal });
      if (!response.ok) throw new Error(`${url.pathname}: ${response.status}`);
      for (const envelope of await response.json()) {
        if (envelope.open) this.opened = envelope.open;
        if (envelope.event !== undefined) this.heard(envelope.event, envelope.args ?? []);
        if (envelope.cursor !== undefined) url.searchParams.set("cursor", envelope.cursor);
      }
    }
  }

  async close() {
    this.#stopped.abort();
    await this.#run;
  }
}
