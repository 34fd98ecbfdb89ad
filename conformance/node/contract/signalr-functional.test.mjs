/** `omniwire conformance --suite signalr`: the cases of `functional.mjs`, in Node. */

import * as signalR from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";

import { cases } from "../functional.mjs";
import { suite } from "./suite.mjs";

const server = suite("signalr");
const library = { ...signalR, MessagePackHubProtocol };

// The address is not known before the server has started, but the titles are.
for (const { title } of cases(library, "", false)) {
  server.fact(title, () => {
    const { run } = cases(library, server.http("").replace(/\/$/, ""), false)
      .find((found) => found.title === title);
    return run();
  });
}
