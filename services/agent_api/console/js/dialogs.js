// Questions that must be answered before anything goes on. The browser's own dialog keeps the focus and closes on Escape. Called by views.

import { h } from "./dom.js";
import { t } from "./words.js";

/** Show a form in a dialog. Gives a promise of `true` when it was confirmed, `false` when it was closed. */
export function confirmForm(title, fields, confirmText) {
  return new Promise((resolve) => {
    const form = h(
      "form",
      { method: "dialog" },
      h("h2", { id: "dialog-title" }, title),
      fields,
      h(
        "div",
        { class: "buttons" },
        h("button", { type: "button", on: { click: () => dialog.close("") } }, t("cancel")),
        h("button", { class: "primary", value: "yes" }, confirmText),
      ),
    );
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.ctrlKey) form.requestSubmit();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A question with one answer that goes on. */
export function ask(question, confirmText) {
  return confirmForm(question, [], confirmText);
}
