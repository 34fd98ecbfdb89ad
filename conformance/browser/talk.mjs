/** What a page does with a Socket.IO server that keeps the contract, and what must come of it. */

import assert from "node:assert/strict";

/** Checks what {@link talk} tells. */
export function assertTold({ back, made, rooms, reason, transport }, expectedTransport) {
  assert.deepEqual(back, ["ä漢😀\u2028</script>", { deep: [[1, 2, 255]] }, null, 1.5]);
  assert.deepEqual(made, [[[0], [1]], [0xde, 0xad, 0xbe, 0xef], "t"]);
  assert.deepEqual(rooms, ["a", "b"]);
  assert.equal(transport, expectedTransport);
  assert.equal(reason, "io server disconnect");
}

/** Runs in the page: connects, echoes, asks, joins, is put out; what it saw of all this. */
export async function talk([url, options, limit]) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("late")), limit));
  const bytes = (value) => [...new Uint8Array(value)];
  const socket = io(url, { forceNew: true, reconnection: false, ...options });
  const first = (event) => new Promise((resolve, reject) => {
    socket.once(event, (...args) => resolve(args));
    for (const failed of ["connect_error", "error"]) {
      socket.once(failed, (error) => reject(new Error(error.message ?? error)));
    }
  });
  const ask = (event, ...args) => new Promise((resolve) => socket.emit(event, ...args, resolve));
  const dialog = async () => {
    const upgraded = new Promise((resolve) => {
      if (options.transports?.length === 1) return resolve();
      (socket.io.engine ?? socket.io).once("upgrade", resolve);
    });
    await first("welcome");
    await upgraded;
    const back = first("echo-back");
    socket.emit("echo", "ä漢😀\u2028</script>", { deep: [Uint8Array.of(1, 2, 255).buffer] }, null, 1.5);
    const [text, { deep }, ...rest] = await back;
    const { list, nested } = await ask("make-bin", 2);
    const rooms = await ask("join", ["b", "a"]);
    const transport = await ask("transport");
    const ended = new Promise((resolve) => socket.once("disconnect", resolve));
    socket.emit("bye", false);
    const seen = performance.getEntriesByType("resource").filter(({ name }) => /EIO=/.test(name));
    return {
      back: [text, { deep: deep.map(bytes) }, ...rest],
      made: [list.map(bytes), bytes(nested.deep.blob), nested.deep.text],
      rooms, transport, reason: await ended, requests: seen.length,
      scripts: seen.filter(({ initiatorType }) => initiatorType === "script").length,
    };
  };
  return Promise.race([dialog(), late]);
}
