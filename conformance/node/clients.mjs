/**
 * Every kind of client of the demo's chat, each with the same face:
 *
 * - `connect(base)` resolves once the server has said `hello`;
 * - `say(text)` and `sayJson(json)` (the text as raw JSON, however escaped) send in order, and
 *   resolve once the client knows that it is sent;
 * - `call(name, ...args)` resolves with the reply (where `canCall`);
 * - `said` is the inbox of what others say: `{ from, text }`;
 * - `close()`.
 */

import { EnvelopeSocket, RawSocket } from "./clients/websocket.mjs";
import { LongPoll, ServerSentEvents } from "./clients/http.mjs";
import { SignalR } from "./clients/signalr.mjs";
import { SocketIo } from "./clients/socketio.mjs";
import { SockJs } from "./clients/sockjs.mjs";

/** One of each of the six kinds. */
export const KINDS = [
  { name: "WebSocket", client: () => new EnvelopeSocket() },
  { name: "Socket.IO", client: () => new SocketIo(["polling", "websocket"]) },
  { name: "SignalR", client: () => new SignalR() },
  { name: "SockJS", client: () => new SockJs("websocket") },
  { name: "SSE", client: () => new ServerSentEvents() },
  { name: "long poll", client: () => new LongPoll() },
];

/** The same kinds in their other manners and over their other transports. */
export const VARIANTS = [
  { name: "WebSocket (raw)", client: () => new RawSocket() },
  { name: "Socket.IO (polling only)", client: () => new SocketIo(["polling"]) },
  { name: "Socket.IO (WebSocket only)", client: () => new SocketIo(["websocket"]) },
  { name: "SockJS (xhr-streaming)", client: () => new SockJs("xhr-streaming") },
];
