/** The last round-trip times, as a number and a tiny line. */

import { element, svg } from "./element.ts";

const KEPT = 32;
const WIDTH = 64;
const HEIGHT = 18;

export class Sparkline {
  readonly element: HTMLElement;
  readonly #number = element("span", { class: "rtt-number", "data-testid": "rtt" }, "–");
  readonly #line = svg("polyline", { fill: "none", "data-testid": "spark" });
  readonly #last = svg("circle", { r: "1.75" });
  readonly #times: number[] = [];

  constructor() {
    const picture = svg(
      "svg",
      { class: "sparkline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
      this.#line,
      this.#last,
    );
    this.element = element("span", { class: "rtt", title: "Round-trip time of a call, every two seconds" });
    this.element.append(picture, this.#number);
    this.#last.style.visibility = "hidden";
  }

  add(ms: number | undefined): void {
    this.#number.textContent = ms === undefined ? "–" : format(ms);
    if (ms === undefined) return;
    this.#times.push(ms);
    if (this.#times.length > KEPT) this.#times.shift();
    this.#draw();
  }

  #draw(): void {
    // From zero, so that a calm line is flat; never less than 5 ms high, so that noise stays noise.
    const top = Math.max(5, ...this.#times);
    const points = this.#times.map((ms, index) => {
      const x = WIDTH - 3 - ((this.#times.length - 1 - index) * (WIDTH - 6)) / (KEPT - 1);
      const y = HEIGHT - 3 - (ms / top) * (HEIGHT - 6);
      return [x.toFixed(1), y.toFixed(1)] as const;
    });
    this.#line.setAttribute("points", points.map((point) => point.join(",")).join(" "));
    const [x, y] = points.at(-1) ?? ["0", "0"];
    this.#last.setAttribute("cx", x);
    this.#last.setAttribute("cy", y);
    this.#last.style.visibility = "visible";
  }
}

export function format(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
