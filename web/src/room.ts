/** The room as the page sees it: who is in it, what happens there, and how a client joins it. */

export type Protocol = "WebSocket" | "Socket.IO" | "SignalR" | "SockJS" | "SSE" | "Long polling";

export interface Speaker {
  id: string;
  name: string;
  protocol: string;
}

export interface Member extends Speaker {
  carrier: string;
}

export type State = "connecting" | "connected" | "reconnecting" | "disconnected";

/** What the server's chat emits. `EventSource` has to be told each name beforehand. */
export const ROOM_EVENTS = ["hello", "members", "said"] as const;

/** What a client reports to whoever made it. */
export interface ClientListener {
  /** `detail` says why, in words for the log. */
  state(state: State, detail?: string): void;
  /** What carries the messages now. */
  transport(name: string): void;
  event(name: string, args: readonly unknown[]): void;
}

/** One client in the room. Six of them, each with another protocol below. */
export interface RoomClient {
  /** Connects, and from then on comes back by itself until `stop`. */
  start(): void;
  stop(): void;
  /** Calls the server; rejects if there is no connection or the server answers with an error. */
  call(event: string, ...args: unknown[]): Promise<unknown>;
}

/** A call that went wrong. */
export class CallError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "CallError";
    this.code = code;
  }

  static offline(): CallError {
    return new CallError("offline", "not connected");
  }
}
