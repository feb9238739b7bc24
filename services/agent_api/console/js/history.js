// What happened to the open contact, line by line. Called by the conversation.

import { h, keep, replace } from "./dom.js";
import { callText, explainOffer, explainReason, placeText, skillsText } from "./labels.js";
import { currentLanguage, formatFully, formatTime, hasText, t } from "./words.js";

/** `{element, show(entries)}`. */
export function drawHistory({ me, directory }) {
  const lines = h("ol", { class: "history" });
  const element = h("section", { class: "panel", "aria-labelledby": "history-heading" }, h("h2", { id: "history-heading" }, t("history")), lines);
  return {
    element,
    show(entries) {
      // The newest first: that is what one looks for.
      keep(lines, [...entries].reverse(), (entry) => entry.id, (entry) => drawEntry(entry, me, directory));
    },
  };
}

function drawEntry(entry, me, directory) {
  const name = (agent) => agent && directory.name(agent);
  const people = { agent: name(entry.agent) ?? "", by: name(entry.data.by), to: name(entry.data.to), consulted: name(entry.data.consulted) };
  const key = `event.${entry.type}`;
  const { reason } = entry.data;
  const line = h("li", { data: { type: entry.type } });
  replace(
    line,
    h("time", { datetime: entry.at, title: formatFully(entry.at) }, formatTime(entry.at)),
    h(
      "span",
      {},
      hasText(key) ? t(key, { ...entry.data, ...people }) : entry.type,
      detailsOf(entry).map((text, index) => h("span", { class: "muted" }, `${index === 0 ? " " : " · "}${text}`)),
      // It is written for whoever was offered it; others can ask why.
      typeof reason === "object" && reason !== null && entry.agent === me.id && h("span", { class: "why muted" }, ` ${explainOffer(reason, directory)}`),
    ),
  );
  return line;
}

function detailsOf({ type, data }) {
  const details = [];
  if (data.queue) details.push(data.queue);
  if (type === "callback.scheduled") details.push(callText({ handle: data.handle, not_before: data.not_before_ms }));
  if (data.disposition) details.push(data.disposition);
  if (data.priority) details.push(t("priority-of", { priority: data.priority }));
  if (data.skills && Object.keys(data.skills).length > 0) details.push(skillsText(data.skills));
  if (placeText(data)) details.push(placeText(data));
  if (data.lacks) details.push(t("lacks", { skills: skillsText(data.lacks) }));
  if (data.over_capacity) details.push(t("over-capacity"));
  if (data.cause && type !== "contact.resumed") details.push(explainReason(data.cause));
  if (data.when && hasText(`when.${data.when}`)) details.push(t(`when.${data.when}`));
  if (data.texts) details.push(data.texts[currentLanguage()] ?? Object.values(data.texts)[0] ?? "");
  if (typeof data.reason === "string") details.push(explainReason(data.reason));
  if ((type === "note.added" || type === "contact.transferred") && data.text) details.push(data.text);
  return details;
}
