/** Follows what this page's clients say until the page's other clients have heard it. */

export interface Reach {
  heard: number;
  of: number;
  /** From the call to the latest hearing. */
  ms: number;
}

interface Delivery {
  from: string;
  text: string;
  started: number;
  waiting: Set<string>;
  of: number;
  report(reach: Reach): void;
}

/** More than can be under way; what never arrived is forgotten. */
const KEPT = 256;

export class Deliveries {
  readonly #open: Delivery[] = [];

  /** Peer `from` is about to say `text`, and the peers in `hearers` should hear it. */
  begin(
    from: string,
    text: string,
    hearers: readonly string[],
    report: (reach: Reach) => void,
  ): void {
    const waiting = new Set(hearers);
    this.#open.push({ from, text, started: performance.now(), waiting, of: waiting.size, report });
    if (this.#open.length > KEPT) this.#open.shift();
  }

  heard(hearer: string, from: string, text: string): void {
    const at = this.#open.findIndex(
      (delivery) =>
        delivery.from === from && delivery.text === text && delivery.waiting.has(hearer),
    );
    const delivery = this.#open[at];
    if (!delivery) return;
    delivery.waiting.delete(hearer);
    if (delivery.waiting.size === 0) this.#open.splice(at, 1);
    delivery.report({
      heard: delivery.of - delivery.waiting.size,
      of: delivery.of,
      ms: performance.now() - delivery.started,
    });
  }
}
