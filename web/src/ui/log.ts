/** The messages of one panel, newest at the bottom. */

import { colourOf } from "../protocols.ts";
import type { Speaker } from "../room.ts";
import { element } from "./element.ts";

const KEPT = 200;

/** One's own message, whose fate is shown below it. */
export interface OwnMessage {
  note(text: string, failed?: boolean): void;
}

export class Log {
  readonly element: HTMLOListElement;

  constructor(label: string) {
    this.element = element("ol", {
      class: "log",
      role: "log",
      // Six logs would each read the same message out; ui/announcer.ts does it once.
      "aria-live": "off",
      "aria-label": label,
      tabindex: "0",
      "data-testid": "log",
    });
  }

  said(from: Speaker, text: string): void {
    const head = element("span", { class: "from" }, element("b", {}, from.protocol), ` ${from.name}`);
    const item = element("li", { class: "message" }, head, body(text));
    item.style.setProperty("--speaker", colourOf(from.protocol));
    this.#add(item);
  }

  own(text: string): OwnMessage {
    const fate = element("span", { class: "fate" }, "sending");
    this.#add(element("li", { class: "message own" }, body(text), fate));
    return {
      note: (note, failed = false) => {
        fate.textContent = note;
        fate.classList.toggle("failed", failed);
      },
    };
  }

  /** What happened to the connection. Replaces the note before, if nothing came between. */
  note(text: string): void {
    const last = this.element.lastElementChild;
    if (last?.classList.contains("note")) last.textContent = text;
    else this.#add(element("li", { class: "note" }, text));
  }

  /** What the last note told of is over, if there is such a note. */
  resolveNote(text: string): void {
    const notes = this.element.querySelectorAll(".note");
    const last = notes[notes.length - 1];
    if (last) last.textContent = text;
  }

  #add(item: HTMLLIElement): void {
    const { element: list } = this;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 24;
    list.append(item);
    if (list.childElementCount > KEPT) list.firstElementChild?.remove();
    if (atEnd || item.classList.contains("own")) list.scrollTop = list.scrollHeight;
  }
}

function body(text: string): HTMLElement {
  return element("span", { class: "text", dir: "auto" }, text);
}
