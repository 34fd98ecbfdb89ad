/** Long polling with nothing but `fetch`. */

import { delayMs, inSeconds } from "../backoff.ts";
import { endingOf, type Envelope } from "../envelope.ts";
import type { ClientListener, RoomClient } from "../room.ts";
import { Upstream } from "./upstream.ts";

/** Longer than any server holds a poll: past it the connection is dead. */
const SILENCE_MS = 90_000;

export class PollClient implements RoomClient {
  readonly #listener: ClientListener;
  readonly #upstream = new Upstream(() => {
    this.#run?.abort();
    this.#begin();
  });
  #run: AbortController | undefined;
  /** How far this client has read; without it a poll begins a new session. */
  #cursor: string | undefined;

  constructor(listener: ClientListener) {
    this.#listener = listener;
  }

  start(): void {
    this.#listener.state("connecting");
    this.#begin();
  }

  stop(): void {
    this.#run?.abort();
    this.#forget();
    this.#listener.state("disconnected");
  }

  call(event: string, ...args: unknown[]): Promise<unknown> {
    return this.#upstream.call(event, args);
  }

  #begin(): void {
    this.#forget();
    this.#run = new AbortController();
    void this.#poll(this.#run.signal);
  }

  async #poll(stopped: AbortSignal): Promise<void> {
    for (let failures = 0; !stopped.aborted; ) {
      try {
        await this.#ask(stopped);
        failures = 0;
      } catch (error) {
        if (stopped.aborted) return;
        const pause = delayMs(failures++);
        const why = error instanceof Error ? error.message : String(error);
        this.#listener.state("reconnecting", `${why}, again in ${inSeconds(pause)}`);
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  }

  async #ask(stopped: AbortSignal): Promise<void> {
    const query = this.#cursor === undefined ? "" : `?cursor=${encodeURIComponent(this.#cursor)}`;
    const response = await fetch(`/poll/chat${query}`, {
      cache: "no-store",
      signal: AbortSignal.any([stopped, AbortSignal.timeout(SILENCE_MS)]),
    });
    if (!response.ok) {
      // 4xx: this cursor will never work again, so begin anew. 5xx: it may, so ask again with it.
      if (response.status < 500 && this.#cursor !== undefined) {
        this.#forget();
        return this.#ask(stopped);
      }
      throw new Error(`the server answered ${response.status}`);
    }
    if (response.status === 204) return;
    const envelopes = (await response.json()) as Envelope[];
    // A poll answered after `stop` must not speak for the next session.
    if (stopped.aborted) return;
    for (const envelope of envelopes) this.#receive(envelope);
    // Only a session that is known can come back from a failed poll without a new `open`.
    if (this.#upstream.session !== undefined) this.#listener.state("connected");
  }

  #receive(envelope: Envelope): void {
    const ending = endingOf(envelope);
    if (envelope.open) {
      this.#upstream.session = envelope.open.session;
      // The beginning of the session; the answer's last envelope mostly says how far it goes on.
      this.#cursor = envelope.open.session;
      this.#listener.transport("long-polling");
      this.#listener.state("connected");
    } else if (envelope.event !== undefined) {
      this.#listener.event(envelope.event, envelope.args ?? []);
    } else if (envelope.cursor !== undefined) {
      this.#cursor = envelope.cursor;
    } else if (ending !== undefined) {
      this.#forget();
      throw new Error(ending);
    }
  }

  #forget(): void {
    this.#cursor = undefined;
    this.#upstream.session = undefined;
  }
}
