// npm `sockjs`: `/echo`, and `/room`, where each message goes to all.
import sockjs from "sockjs";
import { listen } from "./listening.mjs";

const members = new Set();
const silent = { log: () => {} };

listen((server) => {
  const echo = sockjs.createServer(silent);
  echo.on("connection", (peer) => peer.on("data", (text) => peer.write(text)));
  echo.installHandlers(server, { prefix: "/echo" });

  const room = sockjs.createServer(silent);
  room.on("connection", (peer) => {
    members.add(peer);
    peer.on("close", () => members.delete(peer));
    peer.on("data", (text) => {
      for (const member of members) member.write(text);
    });
  });
  room.installHandlers(server, { prefix: "/room" });
});
