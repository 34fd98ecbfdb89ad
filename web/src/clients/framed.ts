/** What `WebSocket` and SockJS have in common: a two-way line of messages, each one envelope. */

import { inSeconds, Retry } from "../backoff.ts";
import { Calls, endingOf, type Envelope } from "../envelope.ts";
import { CallError, type ClientListener, type RoomClient } from "../room.ts";

/** The part of `WebSocket` that SockJS has too. */
export interface Line {
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(text: string): void;
  close(): void;
}

export abstract class FramedClient implements RoomClient {
  readonly #listener: ClientListener;
  readonly #calls = new Calls();
  readonly #retry = new Retry();
  #line: Line | undefined;
  #open = false;

  constructor(listener: ClientListener) {
    this.#listener = listener;
  }

  protected abstract dial(): Line;
  protected abstract transportOf(line: Line): string;

  start(): void {
    this.#listener.state("connecting");
    this.#connect();
  }

  stop(): void {
    this.#retry.cancel();
    const line = this.#line;
    this.#forget();
    line?.close();
    this.#listener.state("disconnected");
  }

  call(event: string, ...args: unknown[]): Promise<unknown> {
    if (!this.#open || !this.#line) return Promise.reject(CallError.offline());
    const { call, answer } = this.#calls.begin(event, args);
    this.#line.send(JSON.stringify(call));
    return answer;
  }

  #connect(): void {
    const line = this.dial();
    this.#line = line;
    line.onmessage = ({ data }) => this.#receive(line, JSON.parse(String(data)) as Envelope);
    line.onclose = ({ code, reason }) => this.#lost(`closed with ${code} ${reason}`.trim());
  }

  #receive(line: Line, envelope: Envelope): void {
    const ending = endingOf(envelope);
    if (envelope.open) {
      this.#open = true;
      this.#retry.reset();
      this.#listener.transport(this.transportOf(line));
      this.#listener.state("connected");
    } else if (envelope.event !== undefined) {
      this.#listener.event(envelope.event, envelope.args ?? []);
    } else if (envelope.reply !== undefined) {
      this.#calls.settle(envelope);
    } else if (ending !== undefined) {
      line.close();
      this.#lost(ending);
    }
  }

  #lost(why: string): void {
    this.#forget();
    const pause = this.#retry.schedule(() => this.#connect());
    this.#listener.state("reconnecting", `${why}, again in ${inSeconds(pause)}`);
  }

  #forget(): void {
    if (this.#line) this.#line.onmessage = this.#line.onclose = null;
    this.#line = undefined;
    this.#open = false;
    this.#calls.abandon();
  }
}
