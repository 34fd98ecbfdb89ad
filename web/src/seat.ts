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
  #ping: ReturnType<typeof setTimeout> | undefined;

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
    clearTimeout(this.#ping);
    if (this.isConnected) this.#pingAfter(FIRST_PING_MS);
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

  #pingAfter(pauseMs: number): void {
    clearTimeout(this.#ping);
    this.#ping = setTimeout(async () => {
      const sent = performance.now();
      const answered = await this.#call("ping", sent).then(
        () => true,
        () => false,
      );
      this.#view.roundTrip(answered ? performance.now() - sent : undefined);
      if (this.isConnected) this.#pingAfter(PING_EVERY_MS);
    }, pauseMs);
  }

  #call(event: string, ...args: unknown[]): Promise<unknown> {
    const { promise, reject } = late();
    const timer = setTimeout(() => reject(new CallError("timeout", "no answer")), ANSWER_WITHIN_MS);
    const answer = this.#client.call(event, ...args);
    return Promise.race([answer, promise]).finally(() => clearTimeout(timer));
  }
}

function late(): { promise: Promise<never>; reject(error: Error): void } {
  let reject!: (error: Error) => void;
  const promise = new Promise<never>((_, no) => {
    reject = no;
  });
  return { promise, reject };
}

/** Not at once: six clients that connect at the same time would measure each other. */
const FIRST_PING_MS = 300;
const PING_EVERY_MS = 2_000;
const ANSWER_WITHIN_MS = 10_000;
