/** The official sockjs-client: a WebSocket where it can, else whatever gets through. */

import SockJS from "sockjs-client";
import { FramedClient, type Line } from "./framed.ts";

export class SockJsClient extends FramedClient {
  protected dial(): Line {
    return new SockJS("/sockjs/chat") as unknown as Line;
  }

  protected transportOf(line: Line): string {
    // Set by sockjs-client as soon as a transport is open; its types leave it out.
    return (line as unknown as { transport: string | null }).transport ?? "unknown";
  }
}
