/** `EventSource` down, `fetch` up. */

import { inSeconds, Retry } from "../backoff.ts";
import { endingOf, type Envelope } from "../envelope.ts";
import { type ClientListener, ROOM_EVENTS, type RoomClient } from "../room.ts";
import { Upstream } from "./upstream.ts";

export class SseClient implements RoomClient {
  readonly #listener: ClientListener;
  readonly #upstream = new Upstream(() => this.#comeBack("the server forgot the session"));
  readonly #retry = new Retry();
  #source: EventSource | undefined;
  #failures = 0;

  constructor(listener: ClientListener) {
    this.#listener = listener;
  }

  start(): void {
    this.#failures = 0;
    this.#listener.state("connecting");
    this.#connect();
  }

  stop(): void {
    this.#retry.cancel();
    this.#forget();
    this.#listener.state("disconnected");
  }

  call(event: string, ...args: unknown[]): Promise<unknown> {
    return this.#upstream.call(event, args);
  }

  #connect(): void {
    const source = new EventSource("/sse/chat");
    this.#source = source;
    for (const name of ROOM_EVENTS) {
      source.addEventListener(name, ({ data }: MessageEvent<string>) =>
        this.#listener.event(name, JSON.parse(data) as unknown[]),
      );
    }
    // All that is no plain event comes as a whole envelope under this name.
    source.addEventListener("omniwire", ({ data }: MessageEvent<string>) =>
      this.#receive(JSON.parse(data) as Envelope),
    );
    source.onerror = () => this.#failed(source);
  }

  #receive(envelope: Envelope): void {
    const ending = endingOf(envelope);
    if (envelope.open) {
      this.#upstream.session = envelope.open.session;
      this.#failures = 0;
      this.#retry.reset();
      this.#listener.transport("event-stream");
      this.#listener.state("connected");
    } else if (envelope.event !== undefined) {
      this.#listener.event(envelope.event, envelope.args ?? []);
    } else if (ending !== undefined) {
      this.#comeBack(ending);
    }
  }

  #failed(source: EventSource): void {
    // The browser comes back once by itself, with Last-Event-ID. Its pause never grows, though, so
    // after that we take over.
    if (source.readyState === EventSource.CONNECTING && this.#failures++ === 0) {
      this.#upstream.session = undefined;
      this.#listener.state("reconnecting", "stream broken, the browser tries again");
    } else {
      this.#comeBack("no stream");
    }
  }

  #comeBack(why: string): void {
    this.#forget();
    const pause = this.#retry.schedule(() => this.#connect());
    this.#listener.state("reconnecting", `${why}, again in ${inSeconds(pause)}`);
  }

  #forget(): void {
    this.#source?.close();
    this.#source = undefined;
    this.#upstream.session = undefined;
  }
}
