// The dialog that asks how a contact ended. Called by the conversation.

import { confirmForm } from "./dialogs.js";
import { h } from "./dom.js";
import { t } from "./words.js";

const SUGGESTIONS = ["solved", "informed", "forwarded", "no-answer", "spam"];

/** A promise of `{disposition, summary, follow_up}`, or of null when the agent changed their mind. */
export async function askHowItEnded(contact) {
  const disposition = h("input", { id: "disposition", list: "dispositions", maxlength: "200", autocomplete: "off" });
  const summary = h("textarea", { id: "summary", rows: "3", maxlength: "5000", dir: "auto" });
  const followUp = h("input", { id: "follow-up", type: "checkbox", checked: true });
  const fields = [
    h("p", { class: "muted" }, contact.subject || contact.preview),
    h("label", { for: "disposition" }, t("disposition")),
    disposition,
    h("datalist", { id: "dispositions" }, SUGGESTIONS.map((word) => h("option", { value: t(`disposition.${word}`) }))),
    h("label", { for: "summary" }, t("summary")),
    summary,
    h("label", { class: "check", for: "follow-up" }, followUp, t("follow-up")),
  ];
  if (!(await confirmForm(t("resolve-title"), fields, t("resolve")))) return null;
  return {
    disposition: disposition.value.trim() || null,
    summary: summary.value.trim() || null,
    follow_up: followUp.checked,
  };
}
