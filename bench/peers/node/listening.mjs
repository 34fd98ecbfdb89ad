// What the servers share: where they listen, and which room a request asks for.
import { createServer } from "node:http";

/** An HTTP server on a free port, which it prints once `attach` has set it up. */
export function listen(attach) {
  const server = createServer((_, response) => response.writeHead(404).end());
  attach(server);
  server.listen(0, "127.0.0.1", 65535, () => {
    const { address, port } = server.address();
    console.log(`listening on ${address}:${port}`);
  });
}

/** The room in `/room/NAME`, if that is the path. */
export function roomOf(url) {
  return url.startsWith("/room/") ? url.slice("/room/".length) : undefined;
}

/** Adds a member to the set of this name. */
export function join(rooms, name, member) {
  if (!rooms.has(name)) rooms.set(name, new Set());
  const room = rooms.get(name).add(member);
  member.on("close", () => room.delete(member));
  return room;
}
