/** The six panels: what each is called, which client it runs, and its colour's name in CSS. */

import { PollClient } from "./clients/poll.ts";
import { SignalRClient } from "./clients/signalr.ts";
import { SocketIoClient } from "./clients/socketio.ts";
import { SockJsClient } from "./clients/sockjs.ts";
import { SseClient } from "./clients/sse.ts";
import { WebSocketClient } from "./clients/websocket.ts";
import type { ClientListener, Protocol, RoomClient } from "./room.ts";

export interface PanelSpec {
  /** Of test ids, of CSS colours, of anchors. */
  slug: string;
  protocol: Protocol;
  library: string;
  path: string;
  makeClient(listener: ClientListener): RoomClient;
}

export const PANELS: readonly PanelSpec[] = [
  {
    slug: "websocket",
    protocol: "WebSocket",
    library: "the browser's own",
    path: "/ws/chat",
    makeClient: (listener) => new WebSocketClient(listener),
  },
  {
    slug: "socketio",
    protocol: "Socket.IO",
    library: `socket.io-client ${__SOCKETIO_VERSION__}`,
    path: "/socket.io/",
    makeClient: (listener) => new SocketIoClient(listener),
  },
  {
    slug: "signalr",
    protocol: "SignalR",
    library: `@microsoft/signalr ${__SIGNALR_VERSION__}`,
    path: "/signalr/chat",
    makeClient: (listener) => new SignalRClient(listener),
  },
  {
    slug: "sockjs",
    protocol: "SockJS",
    library: `sockjs-client ${__SOCKJS_VERSION__}`,
    path: "/sockjs/chat",
    makeClient: (listener) => new SockJsClient(listener),
  },
  {
    slug: "sse",
    protocol: "SSE",
    library: "EventSource, fetch",
    path: "/sse/chat",
    makeClient: (listener) => new SseClient(listener),
  },
  {
    slug: "poll",
    protocol: "Long polling",
    library: "fetch, again and again",
    path: "/poll/chat",
    makeClient: (listener) => new PollClient(listener),
  },
];

const INDEX = new Map<string, number>(PANELS.map(({ protocol }, index) => [protocol, index]));

/** The colour of a protocol as CSS; grey for one we don't know (a newer server, another client). */
export function colourOf(protocol: string): string {
  const panel = PANELS[INDEX.get(protocol) ?? -1];
  return panel ? `var(--${panel.slug})` : "var(--muted)";
}

/** The column of a protocol's panel as CSS. */
export function columnOf(protocol: string): string {
  const index = INDEX.get(protocol);
  return index === undefined ? "auto" : String(index + 1);
}
