import { readFileSync } from "node:fs";
import { defineConfig } from "vite";

/** The installed version of an npm package, as "4.8". */
function version(name) {
  const manifest = readFileSync(new URL(`./node_modules/${name}/package.json`, import.meta.url), "utf8");
  return JSON.parse(manifest).version.split(".").slice(0, 2).join(".");
}

// `npm run dev` serves the page itself and passes everything else on to a running server.
const server = process.env.OMNIWIRE_URL ?? "http://127.0.0.1:8080";
const carried = { target: server, ws: true };

export default defineConfig({
  base: "./",
  define: {
    // sockjs-client still asks for Node's name of the global object.
    global: "globalThis",
    __SOCKETIO_VERSION__: JSON.stringify(version("socket.io-client")),
    __SIGNALR_VERSION__: JSON.stringify(version("@microsoft/signalr")),
    __SOCKJS_VERSION__: JSON.stringify(version("sockjs-client")),
  },
  build: {
    target: "es2022",
    cssTarget: ["chrome123", "firefox121", "safari17.5"],
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // One chunk per official client, so that the build's report shows what each weighs.
        codeSplitting: {
          groups: [
            { name: "socketio", test: /node_modules\/(@socket\.io|socket\.io|engine\.io)/ },
            { name: "signalr", test: /node_modules\/@microsoft\/signalr/ },
            { name: "sockjs", test: /node_modules/ },
          ],
        },
      },
    },
  },
  server: {
    proxy: Object.fromEntries(
      ["/ws", "/socket.io", "/signalr", "/sockjs", "/sse", "/poll", "/send"].map((path) => [path, carried]),
    ),
  },
});
