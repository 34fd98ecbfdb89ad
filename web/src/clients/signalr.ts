/** Microsoft's official SignalR client. */

import {
  type HubConnection,
  HubConnectionBuilder,
  HubConnectionState,
  type IHttpConnectionOptions,
  LogLevel,
} from "@microsoft/signalr";
import { delayMs, inSeconds, Retry } from "../backoff.ts";
import { CallError, type ClientListener, ROOM_EVENTS, type RoomClient } from "../room.ts";

export class SignalRClient implements RoomClient {
  readonly #listener: ClientListener;
  readonly #hub: HubConnection;
  readonly #retry = new Retry();
  #wanted = false;
  #transport = "long-polling";

  constructor(listener: ClientListener) {
    this.#listener = listener;
    const hub = new HubConnectionBuilder()
      .withUrl("/signalr/chat", this.#watchedConstructors())
      .withAutomaticReconnect({
        nextRetryDelayInMilliseconds: ({ previousRetryCount }) => delayMs(previousRetryCount),
      })
      .configureLogging(LogLevel.None)
      .build();
    for (const name of ROOM_EVENTS) {
      hub.on(name, (...args: unknown[]) => listener.event(name, args));
    }
    hub.onreconnecting((error) => listener.state("reconnecting", error?.message ?? "connection lost"));
    hub.onreconnected(() => this.#connected());
    hub.onclose((error) => this.#lost(error?.message ?? "closed by the server"));
    this.#hub = hub;
  }

  start(): void {
    this.#wanted = true;
    this.#listener.state("connecting");
    this.#connect();
  }

  stop(): void {
    this.#wanted = false;
    this.#retry.cancel();
    void this.#hub.stop();
    this.#listener.state("disconnected");
  }

  call(event: string, ...args: unknown[]): Promise<unknown> {
    if (this.#hub.state !== HubConnectionState.Connected) {
      return Promise.reject(CallError.offline());
    }
    return this.#hub.invoke(event, ...args);
  }

  #connect(): void {
    // Automatic reconnection does not cover the first attempt, nor an end by the server.
    this.#hub.start().then(
      () => this.#connected(),
      (error: Error) => this.#lost(error.message),
    );
  }

  #connected(): void {
    this.#retry.reset();
    this.#listener.transport(this.#transport);
    this.#listener.state("connected");
  }

  #lost(why: string): void {
    if (!this.#wanted) return;
    const pause = this.#retry.schedule(() => this.#connect());
    this.#listener.state("reconnecting", `${why}, again in ${inSeconds(pause)}`);
  }

  /**
   * The library keeps its transport to itself, but takes the constructors from its options (which
   * its types leave out): the one that opened last carries the messages, and if none did, it is
   * long polling.
   */
  #watchedConstructors(): IHttpConnectionOptions & Record<"WebSocket" | "EventSource", unknown> {
    const opened = (transport: string) => () => {
      this.#transport = transport;
    };
    return {
      WebSocket: class extends WebSocket {
        constructor(url: string | URL, protocols?: string | string[]) {
          super(url, protocols);
          this.addEventListener("open", opened("websocket"));
        }
      },
      EventSource: class extends EventSource {
        constructor(url: string | URL, options?: EventSourceInit) {
          super(url, options);
          this.addEventListener("open", opened("event-stream"));
        }
      },
    };
  }
}
