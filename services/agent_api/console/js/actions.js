// What can be done with the open contact besides answering and resolving it, as far as its state and the agent's role allow it.
// A refusal is said right below the buttons. Called by the conversation.

import { command, newKey, Problem } from "./api.js";
import { callBackLater, tellCallback } from "./callbacks.js";
import { h, keep, say } from "./dom.js";
import { showExplanation } from "./explanation.js";
import { customerName, explainProblem } from "./labels.js";
import { notify } from "./notices.js";
import { consult, passOn } from "./passing.js";
import { assign, change, endWithoutAnswer } from "./supervision.js";
import { t } from "./words.js";

const IN_HAND = new Set(["active", "held"]);
const OPEN = new Set(["queued", "scheduled", "offered", "active", "held", "wrap_up"]);
const EXTENSIONS_MIN = [1, 5];

/**
 * `{element, show(contact), run({name, act(key), after?}), missCallback()}`: the last two are for what has its button elsewhere.
 * `onDone(contact)` follows every success, `onTried()` everything.
 */
export function drawActions(console, { path, onDone, onTried }) {
  const { me, directory } = console;
  const buttons = h("div", { class: "buttons" });
  const consults = h("ul", { class: "consults", "aria-label": t("consults") });
  const sentence = h("span");
  const problem = h("p", { class: "refusal", role: "alert", hidden: true }, sentence, h("button", { type: "button", class: "close", "aria-label": t("close"), on: { click: () => tell("") } }, "×"));
  const element = h("div", { class: "actions", role: "group", "aria-label": t("actions") }, buttons, consults, problem);
  const keys = new Map();
  let contact = null;
  let busy = false;

  function tell(text) {
    problem.hidden = text === "";
    say(sentence, text);
  }

  function show(newer) {
    contact = newer;
    // A button stays the same element as long as it makes sense, so that the focus stays where it is.
    keep(buttons, offered(), (action) => action.name, (action) => h("button", { type: "button", class: action.kind ?? "" }, action.text), (button, action) => {
      button.onclick = () => run(action);
      button.title = action.title ?? "";
    });
    const asked = IN_HAND.has(contact.state) ? contact.consults.filter((agent) => agent !== me.id) : [];
    consults.hidden = asked.length === 0;
    keep(consults, asked, (agent) => agent, () => h("li"), (item, agent) => drawConsult(item, agent));
  }

  function drawConsult(item, agent) {
    const name = directory.name(agent);
    if (item.dataset.name === name) return;
    item.dataset.name = name;
    const mayEnd = contact.agent === me.id;
    const end = () => run({ name: `consult-end ${agent}`, act: (key) => command("DELETE", `${path}/consult?agent=${encodeURIComponent(agent)}`, undefined, key) });
    item.replaceChildren(h("span", {}, t("consult-of", { name })));
    if (mayEnd) item.append(h("button", { type: "button", class: "close", "aria-label": t("consult-end-of", { name }), on: { click: end } }, "×"));
  }

  /** The actions that make sense now, in their order. */
  function offered() {
    const mine = contact.agent === me.id;
    const supervises = me.role !== "agent";
    const inHand = IN_HAND.has(contact.state);
    const post = (name, body) => (key) => command("POST", `${path}/${name}`, body, key);
    const actions = [
      contact.state === "queued" && directory.allowsPull(contact.pool, contact.queue) && { name: "pull", act: post("pull"), kind: "primary", words: { "agent-away": "pull-away" } },
      mine && contact.state === "active" && { name: "hold", act: post("hold"), title: t("hold-hint") },
      mine && contact.state === "held" && { name: "resume", act: post("resume"), kind: "primary" },
      inHand && (mine || supervises) && { name: "transfer", text: t("transfer-open"), act: () => passOn(console, contact, path), after: leave },
      inHand && mine && { name: "consult", text: t("consult-open"), act: () => consult(console, contact, path) },
      inHand && mine && { name: "callback", text: t("callback-open"), act: () => callBackLater(contact, path), after: leaveCallback },
      inHand && contact.consults.includes(me.id) && !mine && { name: "consult-end", act: (key) => command("DELETE", `${path}/consult`, undefined, key), kind: "primary" },
      ...(mine && contact.state === "wrap_up" && contact.wrap_up_until ? EXTENSIONS_MIN : []).map((minutes) => ({
        name: `extend-${minutes}`,
        text: t("extend", { minutes }),
        act: post("wrap-up/extend", { by_ms: minutes * 60_000 }),
      })),
      supervises && OPEN.has(contact.state) && contact.state !== "wrap_up" && { name: "assign", text: t("assign-open"), act: () => assign(contact, path), after: warn },
      supervises && inHand && { name: "requeue", act: post("requeue") },
      supervises && OPEN.has(contact.state) && contact.state !== "wrap_up" && { name: "change", text: t("change-open"), act: () => change(console, contact, path) },
      supervises && OPEN.has(contact.state) && { name: "cancel-contact", text: t("cancel-open"), act: () => endWithoutAnswer(contact, path) },
      { name: "explain", text: t("explain-open"), act: () => showExplanation(console, path), quiet: true },
    ];
    return actions.filter(Boolean).map((action) => ({ text: t(action.name), ...action }));
  }

  /** One at a time. What has a dialog says its own refusals; the rest is said here. */
  async function run(action) {
    if (busy) return;
    busy = true;
    element.setAttribute("aria-busy", "true");
    tell("");
    const before = contact;
    const key = keys.get(action.name) ?? newKey();
    keys.set(action.name, key);
    try {
      const answer = await action.act(key);
      keys.delete(action.name);
      if (answer) {
        onDone(answer);
        action.after?.(answer, before);
      }
    } catch (refusal) {
      if (!(refusal instanceof Problem)) throw refusal;
      // Where it is not known whether it happened, only the same command may be tried again.
      if (!refusal.uncertain) keys.delete(action.name);
      tell(explainProblem(refusal, action.words));
    }
    element.removeAttribute("aria-busy");
    busy = false;
    if (!action.quiet) onTried();
  }

  /** Whoever has passed a contact on is done with it. */
  function leave(answer, before) {
    const name = customerName(answer);
    if (answer.warnings?.includes("skills-missing")) notify(t("transferred-lacking-notice"));
    notify(answer.queue === before.queue ? t("transferred-notice", { name }) : t("transferred-to-notice", { name, queue: answer.queue }));
    if (me.role === "agent") location.hash = "#/";
  }

  /** Nobody has a contact until the time of its call. */
  function leaveCallback(answer) {
    tellCallback(answer);
    if (me.role === "agent") location.hash = "#/";
  }

  /** The customer was called and did not answer. */
  function missCallback() {
    return run({ name: "not-reached", act: (key) => command("POST", `${path}/callback/not-reached`, undefined, key), after: leaveCallback });
  }

  function warn(answer) {
    const name = directory.name(answer.agent);
    notify(t(answer.warnings?.includes("over-capacity") ? "assigned-over-notice" : "assigned-notice", { name }));
  }

  return { element, show, run, missCallback };
}
