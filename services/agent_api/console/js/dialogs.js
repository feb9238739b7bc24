// Questions that must be answered before anything goes on. The browser's own dialog keeps the focus and closes on Escape. Called by views.

import { newKey, Problem } from "./api.js";
import { h, say } from "./dom.js";
import { explainProblem } from "./labels.js";
import { t } from "./words.js";

/** Show a form in a dialog. Gives a promise of `true` when it was confirmed, `false` when it was closed. */
export function confirmForm(title, fields, confirmText) {
  return commandForm({ title, fields, confirmText, submit: async () => true }).then((answer) => answer === true);
}

/**
 * A form whose button carries something out: `submit(key)` gives a promise of the answer. A Problem that it raises is said in the dialog,
 * which stays open with everything that was filled in; a try whose end is unknown is repeated under the same key.
 * Gives a promise of the answer, or of null when the dialog was closed. `danger`: the button ends something for good.
 */
export function commandForm({ title, fields, confirmText, submit, danger = false }) {
  return new Promise((resolve) => {
    let key = newKey();
    let answer = null;
    let busy = false;
    const problem = h("p", { class: "problem", role: "alert" });
    const confirm = h("button", { class: danger ? "danger" : "primary" }, confirmText);
    const form = h(
      "form",
      {},
      h("h2", { id: "dialog-title" }, title),
      fields,
      problem,
      h("div", { class: "buttons" }, h("button", { type: "button", on: { click: () => dialog.close() } }, t("cancel")), confirm),
    );
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, form);

    const carryOut = async (event) => {
      event.preventDefault();
      if (busy) return;
      setBusy(true);
      say(problem, "");
      try {
        answer = await submit(key);
        dialog.close();
      } catch (refusal) {
        if (!(refusal instanceof Problem)) throw refusal;
        if (!refusal.uncertain) key = newKey();
        say(problem, explainProblem(refusal));
      } finally {
        setBusy(false);
      }
    };

    function setBusy(yes) {
      busy = yes;
      confirm.disabled = yes;
      form.setAttribute("aria-busy", String(yes));
    }

    form.addEventListener("submit", carryOut);
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.ctrlKey) form.requestSubmit();
    });
    open(dialog, () => resolve(answer));
  });
}

/** A question with one answer that goes on. */
export function ask(question, confirmText) {
  return confirmForm(question, [], confirmText);
}

/** Show something to read, with a button that closes it. Gives the dialog; `onClose()` follows. */
export function showDialog(title, content, onClose = () => {}) {
  const close = h("button", { type: "button", class: "primary", on: { click: () => dialog.close() } }, t("close"));
  const dialog = h(
    "dialog",
    { class: "reading", "aria-labelledby": "dialog-title" },
    h("h2", { id: "dialog-title" }, title),
    content,
    h("div", { class: "buttons" }, close),
  );
  open(dialog, onClose);
  return dialog;
}

function open(dialog, onClose) {
  const before = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    // The browser gives the focus back only to what is still there in the same place.
    if (before?.isConnected) before.focus();
    onClose();
  });
  document.body.append(dialog);
  dialog.showModal();
}
