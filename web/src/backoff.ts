/** When to come back: quickly at first, then ever more slowly, and never all clients at once. */

const FIRST_MS = 400;
const LONGEST_MS = 5_000;

/** The pause before attempt number `attempt` (from 0): doubled each time, half of it random. */
export function delayMs(attempt: number): number {
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt);
  return longest * (0.5 + Math.random() / 2);
}

export function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Runs one action after the pause that is due; what is running already is replaced. */
export class Retry {
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Returns the pause in milliseconds. */
  schedule(action: () => void): number {
    clearTimeout(this.#timer);
    const pause = delayMs(this.#attempt++);
    this.#timer = setTimeout(action, pause);
    return pause;
  }

  /** The connection stands: the next pause is short again. */
  reset(): void {
    this.#attempt = 0;
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#attempt = 0;
  }
}
