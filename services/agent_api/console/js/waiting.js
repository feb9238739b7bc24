// Who waits, queue by queue, and what an agent has: agents take contacts here where a queue allows it, supervisors give them to somebody,
// take them back, change or end them. Called by main, for `#/waiting/POOL/QUEUE` and `#/agent/ID`.

import { command, get, Problem } from "./api.js";
import { everySecond } from "./clock.js";
import { drawContactRows } from "./contact_rows.js";
import { h, keep, replace, say } from "./dom.js";
import { customerName, explainProblem } from "./labels.js";
import { notify } from "./notices.js";
import { assign, change, endWithoutAnswer } from "./supervision.js";
import { t } from "./words.js";

const READ_EVERY_S = 5;
const READ_AFTER_FRAME_S = 2;
const SHOWN_MAX = 50;
const IN_HAND = ["active", "held", "wrap_up"];

/** `{element, open(place), end()}`: `place` is `[pool, queue]`; without one the first queue is shown. */
export function drawWaiting(console) {
  return drawPlace(console, console.me.role === "agent" ? ["waiting-there"] : ["waiting-there", "with-agents", "scheduled-there"]);
}

/** The same for what an agent has: `place` is `[id]`. */
export function drawInHand(console) {
  return drawPlace(console, ["with-agent"]);
}

function drawPlace(console, tableNames) {
  const ofAgent = tableNames.includes("with-agent");
  const { me, directory, work } = console;
  const supervises = me.role !== "agent";
  const heading = h("h1");
  const hint = h("p", { class: "muted" });
  const problem = h("p", { class: "problem", role: "status" });
  const queues = h("ul", { class: "queue-links" });
  const lists = h("div", { class: supervises ? "tables supervising" : "tables" });
  const element = h(
    "main",
    { class: "waiting" },
    h("nav", { class: "panel", "aria-labelledby": "waiting-queues" }, h("h2", { id: "waiting-queues" }, t("queues")), queues),
    h("section", { class: "panel", "aria-live": "off" }, h("header", {}, heading, hint), problem, lists),
  );
  let place = null;
  let tables = [];
  let ended = false;
  let reading = false;
  let again = false;
  let seconds = 0;
  let due = READ_EVERY_S;

  function actionsFor(contact) {
    const path = `/v1/contacts/${encodeURIComponent(contact.id)}`;
    const waits = ["queued", "offered", "scheduled"].includes(contact.state);
    const actions = [contact.state === "queued" && directory.allowsPull(contact.pool, contact.queue) && { name: "pull", act: (key) => command("POST", `${path}/pull`, undefined, key), kind: "primary", words: { "agent-away": "pull-away" } }];
    if (supervises) {
      actions.push(
        contact.state !== "wrap_up" && { name: "assign", text: t("assign-open"), act: () => assign(contact, path) },
        (contact.state === "active" || contact.state === "held") && { name: "requeue", act: (key) => command("POST", `${path}/requeue`, undefined, key) },
        waits && { name: "change", text: t("change-open"), act: () => change(console, contact, path) },
        waits && { name: "cancel-contact", text: t("cancel-open"), act: () => endWithoutAnswer(contact, path) },
      );
    }
    return actions.filter(Boolean).map((action) => ({ text: t(action.name), ...action }));
  }

  function done(answer, before) {
    work.applyContact(answer);
    if (answer.agent === me.id && before.agent !== me.id) location.hash = `#/contact/${encodeURIComponent(answer.id)}`;
    else if (answer.warnings?.includes("over-capacity")) notify(t("assigned-over-notice", { name: directory.name(answer.agent) }));
    else if (answer.agent && answer.agent !== before.agent) notify(t("assigned-notice", { name: directory.name(answer.agent) }));
    else if (before.agent && !answer.agent) notify(t("requeued-notice", { name: customerName(answer) }));
  }

  function open(wanted) {
    const key = JSON.stringify(wanted);
    if (place !== null && JSON.stringify(place) === key && tables.length > 0) return;
    place = wanted;
    tables = tableNames.map(drawTable);
    replace(lists, tables.map((table) => table.element));
    say(heading, "");
    read();
  }

  function drawTable(name) {
    const rows = drawContactRows({ directory, actionsFor, onDone: done, onTried: read });
    const empty = h("p", { class: "empty", hidden: true }, t(`${name}-none`));
    const more = h("p", { class: "muted more", hidden: true });
    return {
      name,
      element: h("section", { "aria-labelledby": `${name}-heading` }, h("h2", { id: `${name}-heading` }, t(name)), rows.element, empty, more),
      tick: rows.tick,
      show({ items, next_cursor: next }) {
        rows.element.hidden = items.length === 0;
        empty.hidden = items.length > 0;
        more.hidden = next === null;
        say(more, t("only-first", { count: items.length }));
        rows.show(items);
      },
    };
  }

  async function read() {
    if (reading) {
      again = true;
      return;
    }
    reading = true;
    seconds = 0;
    due = READ_EVERY_S;
    try {
      do {
        again = false;
        await readOnce();
      } while (again && !ended);
      say(problem, "");
    } catch (failure) {
      if (!(failure instanceof Problem)) throw failure;
      say(problem, `${t("board-old")} ${explainProblem(failure)}`);
    } finally {
      reading = false;
    }
  }

  async function readOnce() {
    await Promise.all([directory.readQueues(), directory.ready]);
    const wanted = place;
    const queue = ofAgent ? null : chosenQueue();
    const answers = await Promise.all(tables.map((table) => readTable(table.name, ofAgent ? wanted[0] : queue)));
    if (ended || wanted !== place) return;
    showQueues(queue);
    if (ofAgent) say(heading, t("contacts-of", { name: directory.name(wanted[0]) }));
    else say(heading, queue === null ? t("nothing-to-pull") : queue.id);
    say(hint, queue === null ? "" : t(queue.pull ? "pull-hint" : "no-pull-hint"));
    tables.forEach((table, index) => table.show(answers[index]));
  }

  function chosenQueue() {
    const choices = selectable();
    const found = choices.find((queue) => queue.pool === place[0] && queue.id === place[1]);
    // The board also leads to queues that are not configured any more, while contacts are in them.
    const gone = supervises && place.length === 2 ? { pool: place[0], id: place[1], pull: false } : null;
    return found ?? gone ?? choices[0] ?? null;
  }

  function selectable() {
    return directory.queues.filter((queue) => supervises || queue.pull);
  }

  async function readTable(name, subject) {
    if (subject === null) return { items: [], next_cursor: null };
    const query = new URLSearchParams({ limit: SHOWN_MAX, order: "due" });
    if (typeof subject === "string") query.set("agent", subject);
    else query.set("queue", subject.id);
    const states = { "waiting-there": supervises ? ["queued", "offered"] : ["queued"], "scheduled-there": ["scheduled"] };
    for (const state of states[name] ?? IN_HAND) query.append("state", state);
    const answer = await get(`/v1/contacts?${query}`);
    // Queues of other pools may have the same name.
    return { ...answer, items: answer.items.filter((contact) => typeof subject === "string" || contact.pool === subject.pool) };
  }

  function showQueues(chosen) {
    keep(queues, selectable(), (queue) => `${queue.pool} ${queue.id}`, () => h("li", {}, h("a", {}, h("span", { class: "cut" }), h("span", { class: "count" }))), (item, queue) => {
      const link = item.firstChild;
      link.setAttribute("href", `#/waiting/${encodeURIComponent(queue.pool)}/${encodeURIComponent(queue.id)}`);
      if (queue === chosen) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
      say(link.firstChild, queue.id);
      say(link.lastChild, String(queue.waiting));
      link.lastChild.classList.toggle("some", queue.waiting > 0);
    });
  }

  function tick() {
    seconds += 1;
    if (seconds >= due && document.visibilityState === "visible" && console.connection === "live" && place !== null) read();
    for (const table of tables) table.tick();
  }

  function hear(frame) {
    // However much happens, it is read every few seconds at most.
    if (frame.contact || frame.offer || frame.type === "queue.changed") due = Math.min(due, READ_AFTER_FRAME_S);
    if (frame.type === "hello" && place !== null) read();
  }

  console.frameListeners.add(hear);
  const stopTicking = everySecond(tick);
  return {
    element,
    open,
    end() {
      ended = true;
      console.frameListeners.delete(hear);
      stopTicking();
    },
  };
}
