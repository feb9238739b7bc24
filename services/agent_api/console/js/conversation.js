// The open contact: its head, what was said, the boxes to answer in, and beside them the customer and the history.
// It reads everything again, one request at a time, whenever a frame says that something happened. Called by the desk.

import { drawActions } from "./actions.js";
import { command, get, list, Problem } from "./api.js";
import { drawNumber, isToBeCalled } from "./callbacks.js";
import { drawCard } from "./card.js";
import { everySecond, nowMs } from "./clock.js";
import { drawComposer } from "./composer.js";
import { h, keep, replace, say } from "./dom.js";
import { drawHistory } from "./history.js";
import { callText, channelLabel, customerName, explainProblem, flagText, needsText, placeText, stateLabel, subjectOf } from "./labels.js";
import { drawMessage, showMessage } from "./messages.js";
import { notify } from "./notices.js";
import { askHowItEnded } from "./resolve.js";
import { formatCountdown, formatTime, t } from "./words.js";

const WORKABLE = new Set(["active", "held"]);
// So near the end one reads the newest message, and the next one comes into sight by itself.
const NEAR_END_PX = 80;
// No frame tells of acknowledgements and of the mails that ask afterwards.
const READ_EVERY_S = 10;

/** `{element, focus(), end()}`. */
export function drawConversation(console, contactId) {
  const { me, work, directory } = console;
  const path = `/v1/contacts/${encodeURIComponent(contactId)}`;
  const head = h("header", { class: "head" });
  const thread = h("ol", { class: "thread", tabindex: "0", "aria-label": t("messages") });
  const composer = drawComposer({ contactId, path, onSent: () => refresh() });
  const card = drawCard(contactId);
  const history = drawHistory(console);
  const number = drawNumber();
  const actions = drawActions(console, { path, onDone: take, onTried: () => refresh() });
  const element = h(
    "article",
    { class: "contact", "aria-label": t("contact") },
    h("div", { class: "talk" }, head, number.element, actions.element, thread, composer.element),
    h("aside", { class: "beside" }, card.element, history.element),
  );
  let contact = null;
  let ended = false;
  let reading = false;
  let again = false;
  let seconds = 0;

  function showContact(newer) {
    const changed = JSON.stringify(newer) !== JSON.stringify(contact);
    // Who only had notes to write has replies to write now.
    if (contact !== null && contact.agent !== me.id && newer.agent === me.id) composer.choose("reply");
    contact = newer;
    if (changed) drawHead();
    number.show(contact);
    actions.show(contact);
    composer.allow({ reply: WORKABLE.has(contact.state) && (contact.agent === me.id || me.role !== "agent"), reason: whyNot() });
  }

  function whyNot() {
    if (contact.state === "wrap_up") return t("closed.wrap-up");
    if (!WORKABLE.has(contact.state)) return t(contact.light === "green" ? "closed.resolved" : "closed.waiting");
    return t("closed.not-yours", { agent: directory.name(contact.agent) });
  }

  function drawHead() {
    const mine = contact.agent === me.id || me.role !== "agent";
    replace(
      head,
      h("a", { class: "back", href: "#/", "aria-label": t("back") }, "‹"),
      h(
        "div",
        { class: "title" },
        h("h1", {}, subjectOf(contact)),
        h(
          "p",
          { class: "muted facts" },
          stateLabel(contact),
          channelLabel(contact.channel),
          contact.agent && contact.agent !== me.id && h("span", {}, directory.name(contact.agent)),
          h("span", {}, contact.queue),
          h("span", {}, customerName(contact)),
          needsText(contact) && h("span", { title: t("asks-for") }, needsText(contact)),
          h("time", { datetime: contact.received_at, title: contact.received_at }, formatTime(contact.received_at)),
          contact.state === "wrap_up" && (contact.wrap_up_until ? h("span", { class: "until", data: { until: contact.wrap_up_until } }) : h("span", {}, t("wrap-up-open"))),
          contact.flag && h("span", { class: "flag" }, flagText(contact.flag)),
          contact.state === "scheduled" && h("span", {}, callText(contact.callback)),
          placeText(contact) && h("span", {}, placeText(contact)),
          contact.disposition && h("span", {}, contact.disposition),
        ),
      ),
      mine && isToBeCalled(contact) && h("button", { type: "button", title: t("not-reached-hint"), on: { click: actions.missCallback } }, t("not-reached")),
      mine && WORKABLE.has(contact.state) && h("button", { type: "button", class: "primary", on: { click: resolve } }, t("resolve")),
      mine && contact.state === "wrap_up" && h("button", { type: "button", class: "primary", on: { click: finish } }, t("wrap-up-done")),
    );
    tick();
  }

  function wait() {
    tick();
    seconds += 1;
    if (seconds >= READ_EVERY_S && console.connection === "live" && document.visibilityState === "visible") refresh();
  }

  function tick() {
    const until = head.querySelector(".until");
    if (until) say(until, t("wrap-up-left", { time: formatCountdown(Date.parse(until.dataset.until) - nowMs()) }));
  }

  /** Read it all; once more afterwards when something happened meanwhile. */
  async function refresh() {
    if (reading) {
      again = true;
      return;
    }
    reading = true;
    seconds = 0;
    try {
      do {
        again = false;
        const [read, messages, entries] = await Promise.all([get(path), list(`${path}/messages`), list(`${path}/timeline`)]);
        // Names are as good as ids until they are known, but lines of the history are drawn once.
        await directory.ready;
        if (ended) return;
        showContact(read);
        showThread(messages, entries);
        history.show(entries);
        await card.show(read);
      } while (again);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (!ended) showProblem(problem);
    } finally {
      reading = false;
    }
  }

  function showProblem(problem) {
    if (contact === null && problem.status === 404) replace(element, h("p", { class: "empty" }, explainProblem(problem)));
    else notify(explainProblem(problem));
  }

  function showThread(messages, entries) {
    const atEnd = thread.scrollHeight - thread.scrollTop - thread.clientHeight < NEAR_END_PX;
    const notes = entries
      .filter((entry) => entry.data.note_id && entry.data.text)
      .map((entry) => ({ id: entry.data.note_id, direction: "note", at: entry.at, agent: entry.agent, text: entry.data.text, attachments: [] }));
    const items = [...messages, ...notes].sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
    const newest = thread.lastElementChild?.dataset.key;
    keep(thread, items, (item) => item.id, () => drawMessage(), (item, message) => showMessage(item, message, customerName(contact), directory));
    if (atEnd && thread.lastElementChild?.dataset.key !== newest) thread.lastElementChild?.scrollIntoView({ block: "end" });
  }

  function resolve() {
    return actions.run({ name: "resolve", act: () => askHowItEnded(contact, path), after: tellResolved });
  }

  function finish() {
    return actions.run({ name: "wrap-up-done", act: (key) => command("POST", `${path}/wrap-up/done`, undefined, key), after: tellResolved });
  }

  function tellResolved(answer) {
    if (answer.state === "resolved") notify(t("resolved-notice", { name: customerName(answer) }));
  }

  /** A command's answer. */
  function take(answer) {
    work.applyContact(answer);
    if (!ended) showContact(answer);
  }

  function hear(frame) {
    const concerned = frame.contact?.id ?? frame.offer?.contact?.id ?? frame.offer?.contact_id;
    if (frame.type === "hello" || concerned === contactId) refresh();
    if (concerned === contactId && frame.type === "message.failed") notify(t("message-failed-notice", { name: customerName(frame.contact) }), "problem");
  }

  const stopTicking = everySecond(wait);
  console.frameListeners.add(hear);
  const known = work.find(contactId);
  if (known) showContact(known);
  // Whoever was asked to look at somebody else's contact has notes to write, and no replies.
  if (work.consults.has(contactId)) composer.choose("note");
  refresh();
  return {
    element,
    focus: () => (known?.agent === me.id || work.consults.has(contactId) ? composer.focus() : thread.focus()),
    end() {
      ended = true;
      stopTicking();
      console.frameListeners.delete(hear);
    },
  };
}
