// What a supervisor should look at first: contacts that several agents declined, and agents who do not respond. Called by the board.

import { nowMs } from "./clock.js";
import { h, keep, say } from "./dom.js";
import { customerName, flagText, subjectOf } from "./labels.js";
import { formatDuration, t } from "./words.js";

/** `{element, show(contacts, agents), tick()}`. */
export function drawAttention() {
  const lines = h("ul", {});
  const nothing = h("p", { class: "muted" }, t("attention-none"));
  const element = h("section", { class: "attention panel wide", "aria-labelledby": "attention-heading" }, h("h2", { id: "attention-heading" }, t("attention")), nothing, lines);
  let shown = [];

  function draw() {
    keep(lines, shown, (item) => item.key, () => h("li", {}, h("strong"), h("a"), h("span", { class: "muted" })), (line, item) => {
      say(line.children[0], item.what);
      line.children[1].setAttribute("href", item.address);
      say(line.children[1], item.who);
      say(line.children[2], item.since());
    });
    nothing.hidden = shown.length > 0;
    element.dataset.urgent = String(shown.length > 0);
  }

  return {
    element,
    show(contacts, agents) {
      const silent = agents.filter((agent) => agent.presence === "not_responding");
      shown = [
        ...contacts.map((contact) => ({
          key: contact.id,
          what: flagText(contact.flag),
          who: `${subjectOf(contact)} – ${customerName(contact)}`,
          address: `#/contact/${encodeURIComponent(contact.id)}`,
          since: () => t("waits-in", { queue: contact.queue, time: formatDuration(nowMs() - Date.parse(contact.received_at)) }),
        })),
        ...silent.map((agent) => ({
          key: agent.id,
          what: t("presence.not_responding"),
          who: agent.name,
          address: `#/agent/${encodeURIComponent(agent.id)}`,
          since: () => t("since-time", { time: formatDuration(nowMs() - Date.parse(agent.since)) }),
        })),
      ];
      draw();
    },
    tick: draw,
  };
}
