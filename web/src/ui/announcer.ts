/** Tells screen readers, once, what sighted people see in six panels. */

import { byId } from "./element.ts";

export function announce(text: string): void {
  byId("announcer").textContent = text;
}
