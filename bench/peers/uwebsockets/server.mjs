// uWebSockets from npm, where the C++ sources are not at hand: `/echo`, `/echo-deflate` and
// `/room/NAME`, a topic each.
import uws from "@btc-vision/uwebsockets.js";

const common = { maxPayloadLength: 4 << 20, maxBackpressure: 64 << 20, idleTimeout: 0 };
const echo = (socket, message, binary, compress) => socket.send(message, binary, compress);

const app = uws.App();
app.ws("/echo", { ...common, message: (ws, message, binary) => echo(ws, message, binary, false) });
app.ws("/echo-deflate", {
  ...common,
  compression: uws.SHARED_COMPRESSOR | uws.SHARED_DECOMPRESSOR,
  message: (ws, message, binary) => echo(ws, message, binary, true),
});
app.ws("/room/:name", {
  ...common,
  upgrade: (response, request, context) => {
    const header = (name) => request.getHeader(`sec-websocket-${name}`);
    const data = { room: request.getParameter(0) };
    response.upgrade(data, header("key"), header("protocol"), header("extensions"), context);
  },
  open: (ws) => ws.subscribe(ws.getUserData().room),
  message: (ws, message, binary) => app.publish(ws.getUserData().room, message, binary),
});
app.listen("127.0.0.1", 0, (socket) => {
  console.log(`listening on 127.0.0.1:${uws.us_socket_local_port(socket)}`);
});
