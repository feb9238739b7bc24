// What the server's words and ids mean to people: channels, states, reasons, problems. Called by views.

import { h, svg } from "./dom.js";
import { formatDuration, formatTime, hasText, t } from "./words.js";

const SHAPES = {
  email: "M2.5 4h11v8h-11z M2.5 4.5 8 9l5.5-4.5",
  sms: "M2.5 3.5h11v7h-6L4.5 13v-2.5h-2z M5.5 7h.01 M8 7h.01 M10.5 7h.01",
  chat: "M8 2.5a5.5 5.5 0 0 1 0 11 5.6 5.6 0 0 1-2.5-.6L2.6 13.5l.7-2.8A5.5 5.5 0 0 1 8 2.5z",
  plane: "M13.5 2.5 2.5 7.2l3.8 1.6L8 13.5z M6.3 8.8l7.2-6.3",
  form: "M3.5 2.5h9v11h-9z M5.5 5.5h5 M5.5 8h5 M5.5 10.5h3",
  phone: "M4 2.5h2l1 3-1.5 1.2a7 7 0 0 0 3.8 3.8L10.5 9l3 1v2a1.5 1.5 0 0 1-1.5 1.5A9.5 9.5 0 0 1 2.5 4 1.5 1.5 0 0 1 4 2.5z",
  code: "M5.5 5 2.5 8l3 3 M10.5 5l3 3-3 3",
};
const SHAPE_OF = {
  email: "email", sms: "sms", whatsapp: "chat", messenger: "chat", instagram: "chat", webchat: "chat", telegram: "plane",
  webform: "form", voice: "phone", api: "code",
};

/** A small drawing of the channel with its name. */
export function channelLabel(channel) {
  return h("span", { class: "channel" }, channelIcon(channel), channelName(channel));
}

/** The drawing alone, for where the name stands in a title. */
export function channelIcon(channel) {
  const path = svg("path", { d: SHAPES[SHAPE_OF[channel]] ?? SHAPES.code });
  return svg("svg", { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" }, path);
}

/** E-mail, SMS ... */
export function channelName(channel) {
  return hasText(`channel.${channel}`) ? t(`channel.${channel}`) : channel;
}

/** The light with the state in words: never the colour alone. */
export function stateLabel(contact) {
  return h("span", { class: "state", data: { light: contact.light } }, h("span", { class: "light" }), stateName(contact.state));
}

/** Waiting, in progress ... */
export function stateName(state) {
  return hasText(`state.${state}`) ? t(`state.${state}`) : state;
}

/** Who it is: the name, or the address. */
export function customerName(contact) {
  return contact.customer.name || addressOf(contact.customer.handle);
}

/** A handle without its scheme: what people call an address. */
export function addressOf(handle) {
  return handle.replace(/^[a-z]+:/, "");
}

/** The subject, or how the text begins. */
export function subjectOf(contact) {
  return contact.subject || contact.preview || t("no-subject");
}

/** Why the router chose this agent for this contact, in a sentence or two. */
export function explainOffer(reason, directory) {
  const sentences = [reason.rank === 1 ? t("why.first") : t("why.rank", reason)];
  const strategy = `why.${reason.strategy}`;
  if (reason.strategy === "named") sentences.push(t("why.named"));
  else if (reason.strategy === "preferred_agent") sentences.push(t("why.preferred"));
  else if (reason.candidates <= 1 && !reason.candidates_more) sentences.push(t("why.only"));
  else sentences.push(hasText(strategy) ? t(strategy, reason) : t("why.chosen", reason));
  const left = Object.entries(reason.left_out ?? {}).map(([agent, word]) => {
    const why = hasText(`left-out.${word}`) ? t(`left-out.${word}`) : word;
    return `${directory.name(agent)} (${why})`;
  });
  if (left.length > 0) sentences.push(t("why.left-out", { agents: left.join(", ") }));
  return sentences.join(" ");
}

/** How long the customer has waited by the offer's own account. */
export function waitedText(ms) {
  return t("waited", { time: formatDuration(ms) });
}

/** A refusal in a sentence. `words`: by type, the keys of sentences that say better what it means here. */
export function explainProblem(problem, words = {}) {
  const key = words[problem.type] ?? `problem.${problem.type}`;
  return hasText(key) ? t(key) : problem.detail || t("problem.unreadable");
}

/** Why something failed or was left undone, where the server says it in one of its fixed words; its own text otherwise. */
export function explainReason(reason) {
  return hasText(`reason.${reason}`) ? t(`reason.${reason}`) : reason;
}

/** Skills with their levels: `orders 2, lang.it 3`. */
export function skillsText(skills) {
  return Object.entries(skills).map(([skill, level]) => `${skill} ${level}`).join(", ");
}

/** Why somebody should look at a contact. */
export function flagText(flag) {
  return hasText(`flag.${flag.reason}`) ? t(`flag.${flag.reason}`, flag) : flag.reason;
}

/** A waiting contact's place and how long it will probably wait, as far as it is known; null where it is not. */
export function placeText({ position, expected_wait_ms: waitMs }) {
  if (!position) return null;
  return waitMs === null || waitMs === undefined ? t("place", { position }) : t("place-and-wait", { position, time: formatDuration(waitMs) });
}

/** From when on a customer is to be called, and where. */
export function callText({ handle, not_before: from }) {
  return t("call-from", { number: addressOf(handle), time: formatTime(from) });
}

/** What a contact asks for: its skills, or one of several sets of them; null where it asks for nothing. */
export function needsText(contact) {
  if (contact.alternatives.length > 0) return contact.alternatives.map((skills) => skillsText(skills) || t("no-skills")).join(` ${t("or")} `);
  return skillsText(contact.skills) || null;
}
