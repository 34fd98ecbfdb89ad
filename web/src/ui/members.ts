/** Who is in the room, each with its protocol. */

import { colourOf, columnOf } from "../protocols.ts";
import type { Member } from "../room.ts";
import { byId, element } from "./element.ts";

/** A load test may fill the room; the page need not. */
const SHOWN = 48;

export class Members {
  readonly #list = byId("members");
  readonly #count = byId("member-count");
  #members: readonly Member[] = [];
  #own: ReadonlySet<string> = new Set();

  show(members: readonly Member[]): void {
    this.#members = members;
    this.#draw();
  }

  /** Tells the ids of this page's own clients. */
  mark(own: ReadonlySet<string>): void {
    this.#own = own;
    this.#draw();
  }

  #draw(): void {
    const members = this.#members;
    this.#count.textContent = String(members.length);
    const items = members.slice(0, SHOWN).map((member) => item(member, this.#own.has(member.id)));
    if (members.length > SHOWN) {
      items.push(element("li", { class: "more" }, `and ${members.length - SHOWN} more`));
    }
    this.#list.replaceChildren(...items);
  }
}

function item(member: Member, isOwn: boolean): HTMLLIElement {
  const made = element(
    "li",
    { class: "member", "data-testid": "member", "data-protocol": member.protocol, "data-own": isOwn },
    element("span", { class: "dot", "aria-hidden": "true" }),
    element("span", { class: "member-name" }, member.name),
    element("span", { class: "member-protocol" }, member.protocol),
    element("span", { class: "member-carrier" }, isOwn ? `${member.carrier}, this page` : member.carrier),
  );
  made.style.setProperty("--accent", colourOf(member.protocol));
  made.style.setProperty("--column", columnOf(member.protocol));
  return made;
}
