// Letting a queue run empty: the dialog that asks where its contacts go. Called by the board's queues.

import { command } from "./api.js";
import { commandForm } from "./dialogs.js";
import { h } from "./dom.js";
import { labelled } from "./fields.js";
import { t } from "./words.js";

/** How a queue is drained, in words. */
export function drainText(queue) {
  return queue.draining_to === null ? t("drained") : t("drained-to", { queue: queue.draining_to });
}

/** Ask where the queue's contacts go, to one of `others` or to none, and let it run empty. A promise of how it stands, or of null. */
export function letRunEmpty(queue, others) {
  const to = h(
    "select",
    { id: "drain-to" },
    h("option", { value: "" }, t("drain-to-none")),
    others.map((other) => h("option", { value: other.id }, other.id)),
  );
  return commandForm({
    title: t("drain-title", { queue: queue.id }),
    confirmText: t("drain"),
    fields: [h("p", { class: "muted" }, t("drain-hint")), labelled("drain-to", to)],
    submit: (key) => command("POST", drainPath(queue), { to: to.value || null }, key),
  });
}

/** Have the queue take contacts again. A promise of how it stands. Raises Problem. */
export function liftDrain(queue, key) {
  return command("DELETE", drainPath(queue), undefined, key);
}

function drainPath(queue) {
  return `/v1/queues/${encodeURIComponent(queue.id)}/drain`;
}
