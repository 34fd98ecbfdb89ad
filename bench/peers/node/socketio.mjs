// npm `socket.io` on `ws`: `echo` is acknowledged with its argument; `say` goes to all of the
// room that the query names, as `said`.
import { Server } from "socket.io";
import { listen } from "./listening.mjs";

listen((server) => {
  const io = new Server(server, { serveClient: false });
  io.on("connection", (socket) => {
    const { room } = socket.handshake.query;
    if (room !== undefined) socket.join(room);
    socket.on("echo", (text, reply) => reply(text));
    socket.on("say", (text) => io.to(room).emit("said", text));
  });
});
