/** Waiting for what happens, and never for longer than it may take. */

const LIMIT_MS = 10_000;

/** The promise's value, or an error that says what did not happen in time. */
export async function within(promise, what, limitMs = LIMIT_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limitMs} ms for ${what}`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Things that arrive, to be taken in their order. */
export class Inbox {
  #arrived = [];
  #wake = () => {};

  push(thing) {
    this.#arrived.push(thing);
    this.#wake();
  }

  /** The next thing that fits; what stands before it is dropped. */
  async next(what = "the next message", fits = () => true, limitMs = LIMIT_MS) {
    const found = (async () => {
      for (;;) {
        while (this.#arrived.length > 0) {
          const thing = this.#arrived.shift();
          if (fits(thing)) return thing;
        }
        await new Promise((resolve) => {
          this.#wake = resolve;
        });
      }
    })();
    return within(found, what, limitMs);
  }

  /** The next `count` things. */
  async take(count, what = `${count} messages`) {
    const taken = [];
    while (taken.length < count) {
      taken.push(await this.next(`${what} (${taken.length} came)`));
    }
    return taken;
  }

  /** All that has arrived so far. */
  drain() {
    return this.#arrived.splice(0);
  }
}
