// What happened to the open contact, line by line. Called by the conversation.

import { h, keep, replace } from "./dom.js";
import { explainOffer, explainReason, skillsText } from "./labels.js";
import { formatFully, formatTime, hasText, t } from "./words.js";

/** `{element, show(entries)}`. */
export function drawHistory() {
  const lines = h("ol", { class: "history" });
  const element = h("section", { class: "panel", "aria-labelledby": "history-heading" }, h("h2", { id: "history-heading" }, t("history")), lines);
  return {
    element,
    show(entries) {
      // The newest first: that is what one looks for.
      keep(lines, [...entries].reverse(), (entry) => entry.id, drawEntry);
    },
  };
}

function drawEntry(entry) {
  const key = `event.${entry.type}`;
  const { reason } = entry.data;
  const line = h("li", { data: { type: entry.type } });
  replace(
    line,
    h("time", { datetime: entry.at, title: formatFully(entry.at) }, formatTime(entry.at)),
    h(
      "span",
      {},
      hasText(key) ? t(key, { ...entry.data, agent: entry.agent ?? "" }) : entry.type,
      detailsOf(entry).map((text) => h("span", { class: "muted" }, ` ${text}`)),
      typeof reason === "object" && reason !== null && h("span", { class: "why muted" }, ` ${explainOffer(reason)}`),
    ),
  );
  return line;
}

function detailsOf({ type, data }) {
  const details = [];
  if (data.queue) details.push(data.queue);
  if (data.disposition) details.push(data.disposition);
  if (data.priority) details.push(t("priority-of", { priority: data.priority }));
  if (data.skills && Object.keys(data.skills).length > 0) details.push(skillsText(data.skills));
  if (data.over_capacity) details.push(t("over-capacity"));
  if (data.cause && type !== "contact.resumed") details.push(explainReason(data.cause));
  if (data.when && hasText(`when.${data.when}`)) details.push(t(`when.${data.when}`));
  if (data.texts) details.push(Object.values(data.texts)[0] ?? "");
  if (typeof data.reason === "string") details.push(explainReason(data.reason));
  if ((type === "note.added" || type === "contact.transferred") && data.text) details.push(data.text);
  return details;
}
