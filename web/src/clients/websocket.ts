/** The browser's own `WebSocket`, no library. */

import { SUBPROTOCOL } from "../envelope.ts";
import { FramedClient, type Line } from "./framed.ts";

export class WebSocketClient extends FramedClient {
  protected dial(): Line {
    const url = new URL("/ws/chat", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    return new WebSocket(url, SUBPROTOCOL);
  }

  protected transportOf(): string {
    return "websocket";
  }
}
