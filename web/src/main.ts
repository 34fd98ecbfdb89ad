/** Puts the page together: six panels, each with its own client, and what they have in common. */

import "./styles/index.css";
import { Deliveries, type Reach } from "./deliveries.ts";
import { colourOf, PANELS, type PanelSpec } from "./protocols.ts";
import type { Member, Speaker, State } from "./room.ts";
import { Seat } from "./seat.ts";
import { announce } from "./ui/announcer.ts";
import { byId, element } from "./ui/element.ts";
import { Members } from "./ui/members.ts";
import { Panel } from "./ui/panel.ts";
import { format } from "./ui/sparkline.ts";
import { setUpTheme } from "./ui/theme.ts";

interface Place {
  spec: PanelSpec;
  seat: Seat;
  panel: Panel;
}

const places: Place[] = [];
const deliveries = new Deliveries();
const members = new Members();

function addPlace(spec: PanelSpec): Place {
  const panel = new Panel(spec, {
    say: (text) => void say(place, text),
    rename: (name) => void seat.rename(name).catch((error: Error) => announce(error.message)),
    connect: () => seat.start(),
    disconnect: () => seat.stop(),
  });
  const seat = new Seat(
    {
      state: (state, detail) => changedState(place, state, detail),
      transport: (name) => panel.transport(name),
      roundTrip: (ms) => panel.roundTrip(ms),
      me: (me) => {
        panel.me(me);
        members.mark(ownIds());
      },
      members: (list) => changedMembers(place, list),
      said: (from, text) => heard(place, from, text),
    },
    spec.makeClient,
  );
  const place: Place = { spec, seat, panel };
  return place;
}

async function say(place: Place, text: string): Promise<void> {
  const { seat, panel, spec } = place;
  const message = panel.own(text);
  panel.pulse(colourOf(spec.protocol), "up");
  const others = places.filter((other) => other !== place && other.seat.isConnected);
  const ids = others.map((other) => other.seat.me?.id ?? "");
  let reached = false;
  deliveries.begin(seat.me?.id ?? "", text, ids, (reach) => {
    reached = reach.heard === reach.of;
    message.note(`${reach.heard} of ${reach.of} in ${format(reach.ms)}`);
    if (reached) showReach(spec, reach);
  });
  try {
    const answer = await seat.say(text);
    if (!reached) message.note(String(answer));
  } catch (error) {
    message.note(error instanceof Error ? error.message : String(error), true);
  }
}

function heard(place: Place, from: Speaker, text: string): void {
  place.panel.said(from, text);
  place.panel.pulse(colourOf(from.protocol), "down");
  deliveries.heard(place.seat.me?.id ?? "", from.id, text);
  if (place === lead() && !ownIds().has(from.id)) announce(`${from.name} by ${from.protocol}: ${text}`);
}

function changedState(place: Place, state: State, detail: string | undefined): void {
  place.panel.state(state, detail);
  byId(`jump-${place.spec.slug}`).dataset["state"] = state;
  announce(`${place.spec.protocol} ${state}`);
  if (!lead()) members.show([]);
}

function changedMembers(place: Place, list: readonly Member[]): void {
  // All six are told the same; one is enough.
  if (place === (lead() ?? place)) members.show(list);
}

/** The client that speaks for the page. */
function lead(): Place | undefined {
  return places.find(({ seat }) => seat.isConnected);
}

function ownIds(): Set<string> {
  return new Set(places.flatMap(({ seat }) => seat.me?.id ?? []));
}

function showReach(spec: PanelSpec, reach: Reach): void {
  const summary = byId("reach");
  summary.textContent = `${spec.protocol} reached ${reach.of} others in ${format(reach.ms)}`;
  summary.style.setProperty("--accent", colourOf(spec.protocol));
}

function addJump({ slug, protocol }: PanelSpec): void {
  const link = element("a", { href: `#${slug}`, id: `jump-${slug}` }, protocol);
  link.style.setProperty("--accent", `var(--${slug})`);
  byId("jumps").append(link);
}

function setUpMaster(): void {
  const form = byId("master") as HTMLFormElement;
  const input = byId("master-input") as HTMLInputElement;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value;
    if (text.trim() === "") return;
    input.value = "";
    for (const place of places) void say(place, text);
  });
}

setUpTheme();
setUpMaster();
for (const spec of PANELS) {
  addJump(spec);
  const place = addPlace(spec);
  places.push(place);
  byId("panels").append(place.panel.element);
}
for (const { seat } of places) seat.start();
