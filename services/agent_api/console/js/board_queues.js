// How the queues stand, a line for each. Called by the board.

import { nowMs } from "./clock.js";
import { h, keep, say } from "./dom.js";
import { formatCountdown, formatDuration, formatShare, hasText, t } from "./words.js";

/** What a queue is told from others by. */
export function keyOf(queue) {
  return `${queue.pool} ${queue.id}`;
}

/** How long the oldest contact has waited, in ms; null where none waits. */
export function waitOf(queue) {
  return queue.oldest_received_at === null ? null : nowMs() - Date.parse(queue.oldest_received_at);
}

/** `{element, show(queues), tick()}`. */
export function drawQueues() {
  const columns = ["queue", "waiting", "oldest-wait", "offered", "in-progress", "service-level", "expected-wait", "abandoned"];
  const rows = h("tbody");
  const table = h(
    "table",
    {},
    h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col", title: hasText(`${name}-hint`) ? t(`${name}-hint`) : null }, t(name))))),
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
      queue.service_level === null ? "–" : formatShare(queue.service_level),
      queue.expected_wait_ms === null ? "–" : formatDuration(queue.expected_wait_ms),
      queue.abandoned,
    ];
    cells.forEach((value, index) => say(row.children[index + 1], String(value)));
    row.children[2].classList.toggle("late", wait !== null && queue.target_ms !== null && wait > queue.target_ms);
    row.children[7].classList.toggle("some", queue.abandoned > 0);
    row.children[1].classList.toggle("some", queue.waiting > 0);
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
  return h("tr", {}, h("th", { scope: "row" }, h("a", { href: `#/waiting/${encodeURIComponent(queue.pool)}/${encodeURIComponent(queue.id)}` }, queue.id), target), Array.from({ length: columns - 1 }, () => h("td")));
}
