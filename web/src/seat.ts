/** One client's place in the room: its state, its name, its round-trip time, what it says. */

import { CallError, type ClientListener, type Member, type RoomClient, type Speaker, type State } from "./room.ts";

/** What a seat shows of itself. */
export interface SeatView {
  state(state: State, detail?: string): void;
  transport(name: string): void;
  /** `undefined`: the last ping got no answer. */
  roundTrip(ms: number | undefined): void;
  me(me: Member): void;
  members(members: readonly Member[]): void;
  said(from: Speaker, text: string): void;
}

export class Seat implements ClientListener {
  readonly #view: SeatView;
  readonly #client: RoomClient;
  #state: State = "disconnected";
  #me: Member | undefined;
  #pings: ReturnType<typeof setInterval> | undefined;

  constructor(view: SeatView, makeClient: (listener: ClientListener) => RoomClient) {
    this.#view = view;
    this.#client = makeClient(this);
  }

  get me(): Member | undefined {
    return this.#me;
  }

  get isConnected(): boolean {
    return this.#state === "connected";
  }

  start(): void {
    this.#client.start();
  }

  stop(): void {
    this.#client.stop();
  }

  say(text: string): Promise<unknown> {
    return this.#call("say", text);
  }

  rename(name: string): Promise<unknown> {
    return this.#call("name", name);
  }

  state(state: State, detail?: string): void {
    if (state === this.#state && detail === undefined) return;
    this.#state = state;
    clearInterval(this.#pings);
    if (this.isConnected) {
      void this.#ping();
      this.#pings = setInterval(() => void this.#ping(), PING_EVERY_MS);
    }
    this.#view.state(state, detail);
  }

  transport(name: string): void {
    this.#view.transport(name);
  }

  event(name: string, args: readonly unknown[]): void {
    switch (name) {
      case "hello": {
        const [me, members] = args as [Member, Member[]];
        this.#me = me;
        this.#view.me(me);
        this.#view.members(members);
        break;
      }
      case "members": {
        const [members] = args as [Member[]];
        const me = members.find(({ id }) => id === this.#me?.id);
        if (me) this.#view.me((this.#me = me));
        this.#view.members(members);
        break;
      }
      case "said": {
        const [from, text] = args as [Speaker, string];
        this.#view.said(from, text);
        break;
      }
    }
  }

  async #ping(): Promise<void> {
    const sent = performance.now();
    try {
      await this.#call("ping", sent);
      this.#view.roundTrip(performance.now() - sent);
    } catch {
      this.#view.roundTrip(undefined);
    }
  }

  #call(event: string, ...args: unknown[]): Promise<unknown> {
    const { promise, reject } = late();
    const timer = setTimeout(() => reject(new CallError("timeout", "no answer")), ANSWER_WITHIN_MS);
    return Promise.race([this.#client.call(event, ...args), promise]).finally(() => clearTimeout(timer));
  }
}

function late(): { promise: Promise<never>; reject(error: Error): void } {
  let reject!: (error: Error) => void;
  const promise = new Promise<never>((_, no) => {
    reject = no;
  });
  return { promise, reject };
}

const PING_EVERY_MS = 2_000;
const ANSWER_WITHIN_MS = 10_000;
