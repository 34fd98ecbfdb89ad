// npm `ws`: `/echo`, `/echo-deflate`, and `/room/NAME`, where one encoded frame goes to all.
import { Sender, WebSocketServer } from "ws";
import { join, listen, roomOf } from "./listening.mjs";

const rooms = new Map();

const takeover = { serverNoContextTakeover: true, clientNoContextTakeover: true };
const plain = new WebSocketServer({ noServer: true });
const deflating = new WebSocketServer({
  noServer: true,
  perMessageDeflate: { ...takeover, threshold: 0 },
});

function serve(socket, request) {
  const name = roomOf(request.url);
  socket.on("error", () => {});
  if (name === undefined) {
    socket.on("message", (data, binary) => socket.send(data, { binary }));
    return;
  }
  const room = join(rooms, name, socket);
  socket.on("message", (data, isBinary) => {
    const opcode = isBinary ? 2 : 1;
    const options = { fin: true, rsv1: false, opcode, mask: false, readOnly: true };
    const frame = Buffer.concat(Sender.frame(data, options));
    for (const member of room) member._socket.write(frame);
  });
}

listen((server) => {
  server.on("upgrade", (request, socket, head) => {
    socket.setNoDelay(true);
    const sockets = request.url === "/echo-deflate" ? deflating : plain;
    sockets.handleUpgrade(request, socket, head, (opened) => serve(opened, request));
  });
});
