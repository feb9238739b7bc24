// Whose customers left while they waited, and may still come back to their old places. Called by the board.

import { nowMs } from "./clock.js";
import { h, keep, say } from "./dom.js";
import { customerName, subjectOf } from "./labels.js";
import { formatCountdown, formatTime, t } from "./words.js";

/** `{element, show(contacts), tick()}`. */
export function drawLeft() {
  const lines = h("ul", {});
  const hint = h("p", { class: "muted" });
  const element = h("section", { class: "attention panel wide", "aria-labelledby": "left-heading" }, h("h2", { id: "left-heading" }, t("left")), hint, lines);
  let shown = [];

  function draw() {
    // Nobody may have told yet that the time is over.
    const there = shown.filter((contact) => Date.parse(contact.resumable_until) > nowMs());
    keep(lines, there, (contact) => contact.id, () => h("li", {}, h("span"), h("a"), h("span", { class: "muted" })), (line, contact) => {
      const leftMs = Date.parse(contact.resumable_until) - nowMs();
      say(line.children[0], contact.queue);
      line.children[1].setAttribute("href", `#/contact/${encodeURIComponent(contact.id)}`);
      say(line.children[1], `${subjectOf(contact)} – ${customerName(contact)}`);
      say(line.children[2], t("left-until", { at: formatTime(contact.resumable_until), time: formatCountdown(leftMs) }));
    });
    say(hint, t(there.length > 0 ? "left-hint" : "left-none"));
  }

  return {
    element,
    show(contacts) {
      shown = contacts;
      draw();
    },
    tick: draw,
  };
}
