/** The official socket.io-client: begins with polling, then upgrades to a WebSocket. */

import { io, type Socket } from "socket.io-client";
import { inSeconds, Retry } from "../backoff.ts";
import { CallError, type ClientListener, type RoomClient } from "../room.ts";

export class SocketIoClient implements RoomClient {
  readonly #listener: ClientListener;
  readonly #socket: Socket;
  readonly #retry = new Retry();

  constructor(listener: ClientListener) {
    this.#listener = listener;
    this.#socket = io("/chat", { autoConnect: false, reconnectionDelay: 500, reconnectionDelayMax: 5_000 });
    this.#socket.on("connect", () => this.#connected());
    this.#socket.on("disconnect", (reason) => this.#lost(reason));
    this.#socket.on("connect_error", (error) => this.#lost(error.message));
    this.#socket.onAny((name: string, ...args: unknown[]) => listener.event(name, args));
    this.#socket.io.on("open", () => this.#watchTransport());
  }

  start(): void {
    this.#listener.state("connecting");
    this.#socket.connect();
  }

  stop(): void {
    this.#retry.cancel();
    this.#socket.disconnect();
    this.#listener.state("disconnected");
  }

  async call(event: string, ...args: unknown[]): Promise<unknown> {
    // Otherwise the library keeps the event until the next connection.
    if (!this.#socket.connected) throw CallError.offline();
    const answer: unknown = await this.#socket.emitWithAck(event, ...args);
    // Acknowledgements know no failure, so the server's comes as an argument of this form.
    if (isFailure(answer)) throw new CallError(answer.error.code, answer.error.message);
    return answer;
  }

  #connected(): void {
    this.#retry.reset();
    this.#listener.state("connected");
  }

  #lost(why: string): void {
    if (why === "io client disconnect") return;
    if (this.#socket.active) {
      this.#listener.state("reconnecting", why);
    } else {
      // The server ended it, which the library takes for final.
      const pause = this.#retry.schedule(() => this.#socket.connect());
      this.#listener.state("reconnecting", `${why}, again in ${inSeconds(pause)}`);
    }
  }

  #watchTransport(): void {
    const { engine } = this.#socket.io;
    this.#listener.transport(engine.transport.name);
    engine.on("upgrade", (transport) => this.#listener.transport(transport.name));
  }
}

function isFailure(answer: unknown): answer is { error: { code: string; message: string } } {
  const error = (answer as { error?: { code?: unknown } } | null | undefined)?.error;
  return typeof error?.code === "string";
}
