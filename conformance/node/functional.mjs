/**
 * The cases of Microsoft's functional tests of their TypeScript client, written anew: what a page or
 * a program does with the client, over each transport and in both encodings. The same in Node and
 * in a browser, so nothing of either is used here.
 */

/**
 * All cases, as `{ title, run }`. `library` is `@microsoft/signalr` with `MessagePackHubProtocol`,
 * `url` where `omniwire conformance --suite signalr` listens, `inBrowser` where headers and cookies
 * are the browser's.
 */
export function cases(library, url, inBrowser) {
  const kit = new Kit(library, url);
  const ways = [];
  for (const transport of ["WebSockets", "ServerSentEvents", "LongPolling"]) {
    for (const protocol of ["json", "messagepack"]) ways.push({ transport, protocol });
  }
  const of = (way, table) =>
    Object.entries(table).map(([title, body]) => ({
      title: `${way.transport}, ${way.protocol}: ${title}`,
      run: () => kit.within(body(kit, way), title),
    }));
  const everywhere = ways.flatMap((way) =>
    way.transport === "ServerSentEvents" && way.protocol === "messagepack"
      ? of(way, NO_BINARY)
      : of(way, { ...CALLS, ...STREAMS, ...LIVES }),
  );
  const once = { ...NEGOTIATION, ...(inBrowser ? {} : HEADERS) };
  return [...everywhere, ...of({ transport: "any", protocol: "json" }, once)];
}

const LIMIT_MS = 10_000;

class Kit {
  constructor(library, url) {
    Object.assign(this, { library, url });
  }

  build({ transport, protocol, path = "/testhub", reconnect, ...options }) {
    const { HttpTransportType, HubConnectionBuilder, LogLevel } = this.library;
    const chosen = HttpTransportType[transport];
    const builder = new HubConnectionBuilder()
      .withUrl(this.url + path, { ...options, ...(chosen && { transport: chosen }) })
      .configureLogging(LogLevel.None);
    if (protocol === "messagepack") {
      builder.withHubProtocol(new this.library.MessagePackHubProtocol());
    }
    if (reconnect) builder.withAutomaticReconnect(reconnect);
    return builder.build();
  }

  async with(way, body) {
    const hub = this.build(way);
    await hub.start();
    try {
      return await body(hub);
    } finally {
      await hub.stop();
    }
  }

  async get(path) {
    const answer = await fetch(this.url + path);
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.text();
  }

  async within(promise, what) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`waited ${LIMIT_MS} ms for ${what}`)), LIMIT_MS);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

const failed = (method) => `An unexpected error occurred invoking '${method}' on the server.`;

const CALLS = {
  "a method gives back what it got": (kit, way) =>
    kit.with(way, async (hub) => {
      for (const text of ["你好，世界！", "", "\u001e\u0000\"\\", "x".repeat(20_000)]) {
        same(await hub.invoke("Echo", text), text);
      }
    }),

  "a method may be called without an answer": (kit, way) =>
    kit.with(way, async (hub) => {
      const heard = once(hub, "Message");
      same(await hub.send("InvokeWithString", "hi"), undefined);
      same(await heard, ["hi"]);
    }),

  "objects come and go with all that is in them": (kit, way) =>
    kit.with(way, async (hub) => {
      const heard = once(hub, "CustomObject");
      const object = { Name: "test", Value: 42 };
      await hub.invoke("SendCustomObject", object);
      same(await heard, [object]);
    }),

  "types that JSON has no word for: bytes, dates, ids": (kit, way) =>
    kit.with(way, async (hub) => {
      const binary = way.protocol === "messagepack";
      const object = {
        ByteArray: binary ? new Uint8Array([0x1, 0x2, 0x3]) : "AQID",
        DateTime: binary ? new Date(Date.UTC(2018, 0, 1)) : "2018-01-01T00:00:00Z",
        GUID: "00010203-0405-0607-0706-050403020100",
        IntArray: [0x1, 0x2, 0x3],
        String: "Hello, World!",
      };
      same(plain(await hub.invoke("EchoComplexObject", object)), plain(object));
      const sent = plain(await hub.invoke("SendComplexObject"));
      const moment = "2000-01-01T12:34:56Z";
      same(sent, plain({ ...object, String: "hello world", DateTime: moment }));
    }),

  "errors of a method are told": (kit, way) =>
    kit.with(way, async (hub) => {
      await refused(
        hub.invoke("ThrowException", "An error occurred."),
        `${failed("ThrowException")} InvalidOperationException: An error occurred.`,
      );
      await refused(
        hub.invoke("NoSuchMethod"),
        "Failed to invoke 'NoSuchMethod' due to an error on the server. " +
          "HubException: Method does not exist.",
      );
      same(await hub.invoke("Echo", "still here"), "still here");
    }),

  "handlers are found without regard to case, all of them, until they are taken off": (kit, way) =>
    kit.with(way, async (hub) => {
      const heard = [];
      const other = (text) => heard.push(`other ${text}`);
      hub.on("message", (text) => heard.push(`one ${text}`));
      hub.on("MESSAGE", other);
      await hub.invoke("InvokeWithString", "1");
      hub.off("Message", other);
      await hub.invoke("invokewithstring", "2");
      hub.off("message");
      await hub.invoke("InvokeWithString", "3");
      same(heard, ["one 1", "other 1", "one 2"]);
    }),

  "the server asks the client, whose answer or error comes back": (kit, way) =>
    kit.with(way, async (hub) => {
      const ask = () => kit.get(`/clientresult/${hub.connectionId}`);
      hub.on("Result", () => 10);
      same(await ask(), "10");
      hub.off("Result");
      hub.on("Result", async () => 11);
      same(await ask(), "11");
      hub.off("Result");
      await refused(ask(), `/clientresult/${hub.connectionId}: 502`);
    }),

  "the server knows the transport and the id": (kit, way) =>
    kit.with(way, async (hub) => {
      same(await hub.invoke("GetActiveTransportName"), way.transport);
      same(await hub.invoke("GetCallerConnectionId"), hub.connectionId);
    }),
};

const STREAMS = {
  "a stream brings its items and ends": (kit, way) =>
    kit.with(way, async (hub) => {
      same(await streamed(hub, "Stream"), ["a", "b", "c"]);
      same(await streamed(hub, "EmptyStream"), []);
    }),

  "the server hears that a stream is cancelled": (kit, way) =>
    kit.with(way, async (hub) => {
      const heard = once(hub, "StreamCanceled");
      const nothing = { next: () => {}, error: () => {}, complete: () => {} };
      hub.stream("InfiniteStream").subscribe(nothing).dispose();
      same(await heard, []);
    }),

  "errors of streams are told": (kit, way) =>
    kit.with(way, async (hub) => {
      await refused(
        streamed(hub, "StreamThrowException", "An error occurred."),
        "An error occurred on the server while streaming results. Exception: An error occurred.",
      );
      await refused(
        streamed(hub, "NoSuchMethod"),
        "Failed to invoke 'NoSuchMethod' due to an error on the server. " +
          "HubException: Method does not exist.",
      );
    }),

  "a method that streams is no method that answers, nor the other way round": (kit, way) =>
    kit.with(way, async (hub) => {
      await refused(
        hub.invoke("EmptyStream"),
        "The client attempted to invoke the streaming 'EmptyStream' method with a " +
          "non-streaming invocation.",
      );
      await refused(
        streamed(hub, "Echo", "42"),
        "The client attempted to invoke the non-streaming 'Echo' method with a " +
          "streaming invocation.",
      );
    }),

  "a stream of the client's is heard, and its error too": (kit, way) =>
    kit.with(way, async (hub) => {
      const items = new kit.library.Subject();
      const joined = hub.invoke("StreamingConcat", items);
      for (const item of ["hello ", "world", "!"]) items.next(item);
      items.complete();
      same(await joined, "hello world!");
      const failing = new kit.library.Subject();
      const answer = hub.invoke("StreamingConcat", failing);
      failing.next("hello ");
      failing.error(new Error("it broke"));
      const { message } = await answer.then(() => new Error("an answer"), (error) => error);
      if (!message.startsWith(failed("StreamingConcat"))) throw new Error(message);
    }),
};

const LIVES = {
  "a hub that can't be made closes with its error": async (kit, way) => {
    const hub = kit.build({ ...way, path: "/uncreatable" });
    const closed = new Promise((resolve) => hub.onclose(resolve));
    // The handshake is answered first, so the start may succeed.
    const error = await hub.start().then(() => closed, (error) => error);
    const text = "Connection closed with an error. InvalidOperationException: Unable to resolve " +
      "service for type 'System.Object' while attempting to activate " +
      "'FunctionalTests.UncreatableHub'.";
    // The client's first ping is a POST, and may be back before its stream has brought the Close.
    const tooLate = way.transport === "ServerSentEvents" && /404/.test(error?.message);
    if (!tooLate && !error?.message.includes(text)) throw new Error(String(error));
  },

  "it starts again after it stopped, with its handlers": async (kit, way) => {
    const hub = kit.build(way);
    const heard = [];
    hub.on("Message", (text) => heard.push(text));
    const ids = new Set();
    for (const text of ["1", "2", "3"]) {
      await hub.start();
      ids.add(hub.connectionId);
      await hub.invoke("InvokeWithString", text);
      await hub.stop();
    }
    same(heard, ["1", "2", "3"]);
    same(ids.size, 3);
  },

  "it stops at once, and what it waited for fails": (kit, way) =>
    kit.with(way, async (hub) => {
      const unanswered = streamed(hub, "InfiniteStream").then(() => "", () => "failed");
      await hub.invoke("Echo", "");
      const closed = new Promise((resolve) => hub.onclose((error) => resolve(error ?? "clean")));
      await hub.stop();
      same(await closed, "clean");
      same(await unanswered, "failed");
    }),

  "a token is shown by any transport, and asked for each time": async (kit, way) => {
    const path = "/authorizedhub";
    const token = await kit.get("/generateJwtToken");
    let asked = 0;
    const accessTokenFactory = async () => {
      asked += 1;
      return token;
    };
    await kit.with({ ...way, path, accessTokenFactory }, async (hub) => {
      same(await hub.invoke("Echo", "in"), "in");
    });
    if (asked < 1) throw new Error("nobody asked for the token");
    await kit.build({ ...way, path }).start().then(
      () => { throw new Error("let in without a token"); },
      ({ message }) => {
        if (!/401|Unauthorized/.test(message)) throw new Error(message);
      },
    );
  },

  "a redirected negotiate leads to where it says": (kit, way) => {
    const path = `/redirect?baseUrl=${encodeURIComponent(kit.url)}`;
    return kit.with({ ...way, path }, async (hub) => {
      const before = await hub.invoke("GetNumRedirects");
      await hub.stop();
      await hub.start();
      if ((await hub.invoke("GetNumRedirects")) <= before) throw new Error("not redirected again");
    });
  },

  "without WebSockets the next transport is taken": async (kit, way) => {
    const path = "/testhub-nowebsockets";
    const any = { ...way, path, transport: "any" };
    await kit.with(any, async (hub) => {
      const taken = way.protocol === "json" ? "ServerSentEvents" : "LongPolling";
      same(await hub.invoke("GetActiveTransportName"), taken);
    });
  },
};

/** Server-sent events are text. */
const NO_BINARY = {
  "no start": async (kit, way) => {
    await kit.build(way).start().then(
      () => { throw new Error("started"); },
      ({ message }) => {
        if (!message.includes("'ServerSentEvents' does not support")) throw new Error(message);
      },
    );
  },
};

const NEGOTIATION = {
  "WebSockets are taken if nobody chooses": (kit, way) =>
    kit.with(way, async (hub) => same(await hub.invoke("GetActiveTransportName"), "WebSockets")),

  "WebSockets without negotiation": (kit, way) =>
    kit.with({ ...way, transport: "WebSockets", skipNegotiation: true }, async (hub) => {
      same(await hub.invoke("Echo", "here"), "here");
      same(hub.connectionId, null);
    }),

  "a transport that is off is refused": async (kit, way) => {
    const path = "/testhub-nowebsockets";
    await kit.build({ ...way, path, transport: "WebSockets" }).start().then(
      () => { throw new Error("started"); },
      ({ message }) => {
        if (!message.startsWith("Unable to connect to the server")) throw new Error(message);
      },
    );
  },

  "a negotiate that fails says so": async (kit, way) => {
    await kit.build({ ...way, path: "/bad-negotiate" }).start().then(
      () => { throw new Error("started"); },
      ({ message }) => {
        if (!message.includes("negotiation with the server")) throw new Error(message);
      },
    );
  },

  "stateful reconnect is granted where it is allowed, and only there": async (kit) => {
    const { HttpTransportType, HubConnectionBuilder, LogLevel } = kit.library;
    for (const path of ["/hubs/test", "/testhub"]) {
      const hub = new HubConnectionBuilder()
        .withUrl(kit.url + path, { transport: HttpTransportType.WebSockets })
        .configureLogging(LogLevel.None).withStatefulReconnect().build();
      await hub.start();
      same(await hub.invoke("Echo", path), path);
      await hub.stop();
    }
  },

  "the last long poll ends with the connection": async (kit, way) => {
    const hub = kit.build({ ...way, transport: "LongPolling" });
    await hub.start();
    const { connectionId } = hub;
    await hub.stop();
    await refused(kit.get(`/clientresult/${connectionId}`), `/clientresult/${connectionId}: 404`);
  },

  "cookies that negotiate sets come back, but for expired ones": (kit, way) =>
    kit.with({ ...way, transport: "LongPolling" }, async (hub) => {
      same(await hub.invoke("GetCookie", "testCookie"), "testValue");
      same(await hub.invoke("GetCookie", "testCookie2"), "testValue2");
      same(await hub.invoke("GetCookie", "expiredCookie"), null);
    }),
};

const HEADERS = {
  "headers are seen by the server, over each transport": async (kit, way) => {
    for (const transport of ["WebSockets", "ServerSentEvents", "LongPolling"]) {
      const headers = { "X-HEADER": "VALUE" };
      await kit.with({ ...way, transport, headers }, async (hub) => {
        same(await hub.invoke("GetHeader", "X-HEADER"), "VALUE");
        const agent = await hub.invoke("GetHeader", "User-Agent");
        if (!agent.startsWith("Microsoft SignalR/10.0")) throw new Error(agent);
      });
    }
  },

  "a user agent may be chosen": async (kit, way) => {
    await kit.with({ ...way, headers: { "User-Agent": "Custom Agent" } }, async (hub) => {
      same(await hub.invoke("GetHeader", "User-Agent"), "Custom Agent");
    });
  },
};

/** The arguments of the next call of a client's method. */
function once(hub, method) {
  return new Promise((resolve) => {
    const heard = (...args) => {
      hub.off(method, heard);
      resolve(args);
    };
    hub.on(method, heard);
  });
}

function streamed(hub, method, ...args) {
  return new Promise((resolve, reject) => {
    const items = [];
    hub.stream(method, ...args).subscribe({
      next: (item) => items.push(item), error: reject, complete: () => resolve(items),
    });
  });
}

/** Bytes and dates as text, whatever they come as. */
function plain(object) {
  const { ByteArray, DateTime } = object;
  const bytes = typeof ByteArray === "string" ? ByteArray : [...ByteArray].join();
  return { ...object, ByteArray: bytes, DateTime: new Date(DateTime).toISOString() };
}

async function refused(promise, text) {
  const outcome = await promise.then((value) => `the answer ${value}`, ({ message }) => message);
  same(outcome, text);
}

function same(actual, expected) {
  const [left, right] = [actual, expected].map(sorted);
  if (left !== right) throw new Error(`${left} is not ${right}`);
}

function sorted(value) {
  const ordered = (_, member) =>
    member && typeof member === "object" && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member;
  return String(JSON.stringify(value, ordered));
}
