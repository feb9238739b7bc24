// How the queues stand, a line for each, with the button that lets one run empty or take contacts again. A refusal is said in the row that
// it is about. Called by the board.

import { newKey, Problem } from "./api.js";
import { nowMs } from "./clock.js";
import { h, keep, say } from "./dom.js";
import { drainText, letRunEmpty, liftDrain } from "./draining.js";
import { explainProblem } from "./labels.js";
import { formatCountdown, formatDuration, formatShare, hasText, t } from "./words.js";

/** What a queue is told from others by. */
export function keyOf(queue) {
  return `${queue.pool} ${queue.id}`;
}

/** How long the oldest contact has waited, in ms; null where none waits. */
export function waitOf(queue) {
  return queue.oldest_received_at === null ? null : nowMs() - Date.parse(queue.oldest_received_at);
}

/** `{element, show(queues), tick()}`. `onDrained(answer)` follows when a queue was drained or a drain was lifted, `onTried()` every try. */
export function drawQueues({ onDrained, onTried }) {
  const columns = ["queue", "waiting", "oldest-wait", "offered", "in-progress", "scheduled", "service-level", "expected-wait", "abandoned"];
  const rows = h("tbody");
  const table = h(
    "table",
    {},
    h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col", title: hasText(`${name}-hint`) ? t(`${name}-hint`) : null }, t(name))), h("th", { scope: "col" }, h("span", { class: "unseen" }, t("actions"))))),
    rows,
  );
  const element = h("section", { class: "panel wide", "aria-labelledby": "queues-heading" }, h("h2", { id: "queues-heading" }, t("queues")), h("div", { class: "scroll" }, table));
  let shown = [];

  function fillRow(row, queue) {
    const wait = waitOf(queue);
    row.dataset.queue = queue.id;
    const cells = [
      queue.waiting,
      wait === null ? "–" : formatCountdown(wait),
      queue.offered,
      queue.active,
      queue.scheduled,
      queue.service_level === null ? "–" : formatShare(queue.service_level),
      queue.expected_wait_ms === null ? "–" : formatDuration(queue.expected_wait_ms),
      queue.abandoned,
    ];
    cells.forEach((value, index) => say(row.children[index + 1], String(value)));
    row.children[2].classList.toggle("late", wait !== null && queue.target_ms !== null && wait > queue.target_ms);
    row.children[8].classList.toggle("some", queue.abandoned > 0);
    row.children[1].classList.toggle("some", queue.waiting > 0);
    showDrain(row, queue);
  }

  /** One button that means the other thing when the queue is drained: so the focus stays on it. */
  function showDrain(row, queue) {
    const pill = row.querySelector(".drained");
    const button = row.querySelector("button");
    pill.hidden = queue.configured && !queue.drained;
    // One that is not configured any more takes nothing new anyway.
    button.hidden = !queue.configured;
    if (!queue.configured) say(pill, t("not-configured"));
    else say(pill, queue.drained ? drainText(queue) : "");
    const text = t(queue.drained ? "lift-drain" : "drain-open");
    say(button, text);
    button.setAttribute("aria-label", t("action-of", { action: text, subject: queue.id }));
    button.onclick = () => run(row, queue);
  }

  async function run(row, queue) {
    const problem = row.querySelector(".problem");
    if (row.getAttribute("aria-busy") === "true") return;
    row.setAttribute("aria-busy", "true");
    say(problem, "");
    const others = shown.filter((other) => other.pool === queue.pool && other.id !== queue.id && other.configured && !other.drained);
    // Where it is not known whether it happened, only the same command may be tried again.
    row.liftKey ??= newKey();
    try {
      const answer = await (queue.drained ? liftDrain(queue, row.liftKey) : letRunEmpty(queue, others));
      row.liftKey = undefined;
      if (answer) onDrained(answer);
    } catch (refusal) {
      if (!(refusal instanceof Problem)) throw refusal;
      if (!refusal.uncertain) row.liftKey = undefined;
      say(problem, explainProblem(refusal));
    }
    row.removeAttribute("aria-busy");
    onTried();
  }

  const draw = () => keep(rows, shown, keyOf, (queue) => makeRow(queue, columns.length), fillRow);
  return {
    element,
    show(queues) {
      shown = queues;
      draw();
    },
    tick: draw,
  };
}

function makeRow(queue, columns) {
  const target = queue.target_ms === null ? null : h("span", { class: "muted" }, ` ${t("target", { time: formatDuration(queue.target_ms) })}`);
  const link = h("a", { href: `#/waiting/${encodeURIComponent(queue.pool)}/${encodeURIComponent(queue.id)}` }, queue.id);
  const head = h("th", { scope: "row" }, link, target, h("span", { class: "drained", hidden: true }), h("p", { class: "problem", role: "alert" }));
  return h("tr", {}, head, Array.from({ length: columns - 1 }, () => h("td")), h("td", {}, h("button", { type: "button" })));
}
