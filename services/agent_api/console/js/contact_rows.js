// Contacts as a table, each with what can be done about it at once. A refusal is said in the row that it is about.
// Called by the lists of waiting contacts and of what agents have.

import { newKey, Problem } from "./api.js";
import { nowMs } from "./clock.js";
import { h, keep, replace, say } from "./dom.js";
import { callText, channelIcon, channelName, customerName, explainProblem, flagText, needsText, stateName, subjectOf } from "./labels.js";
import { formatCountdown, formatTime, t } from "./words.js";

const COLUMNS = ["contact", "asks-for-short", "received-at", "waited-for", "due"];

/**
 * `{element, show(contacts), tick()}`. `actionsFor(contact)` gives `[{name, text, act(key), kind?, words?}]`; `onDone(answer, contact)` follows
 * every success, `onTried()` everything.
 */
export function drawContactRows({ directory, actionsFor, onDone, onTried }) {
  const rows = h("tbody");
  const heads = [...COLUMNS.map((name) => h("th", { scope: "col" }, t(name))), h("th", { scope: "col" }, h("span", { class: "unseen" }, t("actions")))];
  const element = h("div", { class: "scroll" }, h("table", { class: "contact-rows" }, h("thead", {}, h("tr", {}, heads)), rows));
  let shown = [];

  function makeRow() {
    const cells = COLUMNS.slice(1).map((name) => h("td", { data: { cell: name, label: t(name) } }));
    const problem = h("p", { class: "problem", role: "alert" });
    return h("tr", {}, h("th", { scope: "row" }, h("div", { class: "summary" }), problem), cells, h("td", { class: "does" }, h("div", { class: "buttons" })));
  }

  function fillRow(row, contact) {
    const agent = directory.name(contact.agent);
    const facts = JSON.stringify([contact, agent]);
    if (row.dataset.facts !== facts) {
      row.dataset.facts = facts;
      row.dataset.light = contact.light;
      fillSummary(row.querySelector(".summary"), contact, agent);
      say(row.querySelector("[data-cell=asks-for-short]"), needsText(contact) ?? "–");
      say(row.querySelector("[data-cell=received-at]"), formatTime(contact.received_at));
    }
    tellTimes(row, contact);
    keep(row.querySelector(".buttons"), actionsFor(contact), (action) => action.name, (action) => h("button", { type: "button", class: action.kind ?? "" }, action.text), (button, action) => {
      button.setAttribute("aria-label", t("action-of", { action: action.text, subject: subjectOf(contact) }));
      button.onclick = () => run(row, contact, action);
    });
  }

  function tellTimes(row, contact) {
    const waits = contact.state === "queued" || contact.state === "offered";
    const due = row.querySelector("[data-cell=due]");
    const leftMs = Date.parse(contact.due_at) - nowMs();
    say(row.querySelector("[data-cell=waited-for]"), waits ? formatCountdown(nowMs() - Date.parse(contact.received_at)) : "–");
    say(due, waits ? t(leftMs >= 0 ? "due-in" : "due-ago", { time: formatCountdown(Math.abs(leftMs)) }) : "–");
    due.classList.toggle("late", waits && leftMs < 0);
  }

  async function run(row, contact, action) {
    const problem = row.querySelector(".problem");
    if (row.getAttribute("aria-busy") === "true") return;
    row.setAttribute("aria-busy", "true");
    say(problem, "");
    row.keys ??= new Map();
    const key = row.keys.get(action.name) ?? newKey();
    row.keys.set(action.name, key);
    try {
      const answer = await action.act(key);
      row.keys.delete(action.name);
      if (answer) onDone(answer, contact);
    } catch (refusal) {
      if (!(refusal instanceof Problem)) throw refusal;
      if (!refusal.uncertain) row.keys.delete(action.name);
      say(problem, explainProblem(refusal, action.words));
    }
    row.removeAttribute("aria-busy");
    onTried();
  }

  const draw = () => keep(rows, shown, (contact) => contact.id, makeRow, fillRow);
  return {
    element,
    show(contacts) {
      shown = contacts;
      draw();
    },
    tick() {
      [...rows.children].forEach((row, index) => shown[index] && tellTimes(row, shown[index]));
    },
  };
}

function fillSummary(place, contact, agent) {
  replace(
    place,
    h("span", { class: "light", data: { light: contact.light }, title: stateName(contact.state) }),
    h("span", { class: "unseen" }, `${stateName(contact.state)}, ${channelName(contact.channel)}: `),
    h("span", { class: "muted", title: channelName(contact.channel) }, channelIcon(contact.channel)),
    h("a", { href: `#/contact/${encodeURIComponent(contact.id)}` }, subjectOf(contact)),
    h("span", { class: "muted" }, customerName(contact)),
    contact.agent && h("span", { class: "muted" }, `${agent} · ${stateName(contact.state)}`),
    contact.state === "scheduled" && h("span", { class: "muted" }, callText(contact.callback)),
    contact.state === "offered" && h("span", { class: "muted" }, stateName(contact.state)),
    contact.priority !== 0 && h("span", { class: "muted" }, t("priority-of", { priority: contact.priority })),
    contact.flag && h("span", { class: "flag" }, flagText(contact.flag)),
  );
}
