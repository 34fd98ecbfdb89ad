/** One panel: a client's name, state, transport, round-trip time, log, and a box to speak in. */

import type { PanelSpec } from "../protocols.ts";
import type { Member, Speaker, State } from "../room.ts";
import { element, icon } from "./element.ts";
import { Log, type OwnMessage } from "./log.ts";
import { Sparkline } from "./sparkline.ts";

/** What the user does in a panel. */
export interface PanelActions {
  say(text: string): void;
  rename(name: string): void;
  connect(): void;
  disconnect(): void;
}

export class Panel {
  readonly element: HTMLElement;
  readonly #spec: PanelSpec;
  readonly #actions: PanelActions;
  readonly #log: Log;
  readonly #sparkline = new Sparkline();
  readonly #state = element("span", { class: "state", "data-testid": "state" }, "connecting");
  readonly #transport = element("span", { class: "transport", "data-testid": "transport" }, "–");
  readonly #wire = element("span", { class: "wire", "aria-hidden": "true" }, element("i", { class: "pulse" }));
  readonly #toggle: HTMLButtonElement;
  readonly #name: HTMLInputElement;
  readonly #input: HTMLInputElement;
  #me: Member | undefined;
  #stopped = false;

  constructor(spec: PanelSpec, actions: PanelActions) {
    this.#spec = spec;
    this.#actions = actions;
    this.#log = new Log(`${spec.protocol}: messages`);
    this.#toggle = element(
      "button",
      { class: "toggle", type: "button", "data-testid": "toggle" },
      icon("M8 2v6", "M11.5 4.2a5 5 0 1 1-7 0"),
    );
    this.#name = element("input", {
      class: "name",
      "aria-label": `Name of the ${spec.protocol} client`,
      title: "Click to rename",
      maxlength: "24",
      autocomplete: "off",
      spellcheck: "false",
      "data-testid": "name",
    });
    this.#input = element("input", {
      class: "say",
      "aria-label": `Say something by ${spec.protocol}`,
      placeholder: "Say something",
      autocomplete: "off",
      enterkeyhint: "send",
      "data-testid": "input",
    });
    this.element = this.#build();
    this.#listen();
    this.state("connecting");
  }

  state(state: State, detail?: string): void {
    this.element.dataset["state"] = state;
    this.#state.textContent = state;
    this.#stopped = state === "disconnected";
    const action = this.#stopped ? `Connect ${this.#spec.protocol}` : `Disconnect ${this.#spec.protocol}`;
    this.#toggle.setAttribute("aria-label", action);
    this.#toggle.title = action;
    if (state !== "connected") {
      this.#sparkline.add(undefined);
      this.#transport.textContent = "–";
      this.#transport.classList.remove("upgraded");
    }
    if (detail !== undefined) this.#log.note(detail);
    else if (state === "connected") this.#log.resolveNote("back in the room");
  }

  transport(name: string): void {
    const before = this.#transport.textContent ?? "";
    if (before === name) return;
    this.#transport.textContent = name;
    const isUpgrade = before === "polling";
    this.#transport.title = isUpgrade ? `upgraded from ${before}` : "";
    this.#transport.classList.toggle("upgraded", isUpgrade);
  }

  roundTrip(ms: number | undefined): void {
    this.#sparkline.add(ms);
  }

  me(me: Member): void {
    this.#me = me;
    if (document.activeElement !== this.#name) this.#name.value = me.name;
  }

  said(from: Speaker, text: string): void {
    this.#log.said(from, text);
  }

  own(text: string): OwnMessage {
    return this.#log.own(text);
  }

  /** Shows something pass along the panel's wire: up to the room, or down from it. */
  pulse(colour: string, direction: "up" | "down"): void {
    const pulse = this.#wire.firstElementChild;
    if (!(pulse instanceof HTMLElement) || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    pulse.style.setProperty("--pulse", colour);
    const path = [
      { transform: "translateY(0)", opacity: 1 },
      { transform: "translateY(18px)", opacity: 1, offset: 0.8 },
      { transform: "translateY(18px)", opacity: 0 },
    ];
    pulse.animate(path, {
      duration: 420,
      easing: "ease-in-out",
      direction: direction === "up" ? "reverse" : "normal",
    });
  }

  #build(): HTMLElement {
    const { slug, protocol, library, path } = this.#spec;
    const heading = element("h2", { id: `${slug}-heading` }, protocol);
    const form = element(
      "form",
      { class: "composer" },
      this.#input,
      element(
        "button",
        { class: "send", "aria-label": `Send by ${protocol}`, "data-testid": "send" },
        icon("M2.5 8h10", "M8.5 3.5 13 8l-4.5 4.5"),
      ),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say();
    });
    const panel = element(
      "section",
      { class: "panel", id: slug, "aria-labelledby": heading.id, "data-testid": `panel-${slug}` },
      this.#wire,
      element("header", {}, heading, this.#toggle),
      element("p", { class: "library" }, library, element("code", {}, path)),
      element("p", { class: "vitals" }, this.#state, this.#transport),
      element("p", { class: "vitals" }, this.#name, this.#sparkline.element),
      this.#log.element,
      form,
    );
    panel.style.setProperty("--accent", `var(--${slug})`);
    return panel;
  }

  #listen(): void {
    this.#toggle.addEventListener("click", () => {
      if (this.#stopped) this.#actions.connect();
      else this.#actions.disconnect();
    });
    this.#name.addEventListener("change", () => {
      const name = this.#name.value.trim();
      if (name !== "" && name !== this.#me?.name) this.#actions.rename(name);
      else this.#name.value = this.#me?.name ?? "";
    });
    this.#name.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#name.value = this.#me?.name ?? "";
      if (event.key === "Enter" || event.key === "Escape") this.#name.blur();
    });
  }

  #say(): void {
    const text = this.#input.value;
    if (text.trim() === "") return;
    this.#input.value = "";
    this.#actions.say(text);
  }
}
