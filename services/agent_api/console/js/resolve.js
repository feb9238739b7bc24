// The dialog that asks how a contact ended, and resolves it. Called by the conversation.

import { command } from "./api.js";
import { commandForm } from "./dialogs.js";
import { h } from "./dom.js";
import { labelled } from "./fields.js";
import { t } from "./words.js";

const SUGGESTIONS = ["solved", "informed", "forwarded", "no-answer", "spam"];

/** A promise of the contact as it stands then, or of null when the agent changed their mind. */
export function askHowItEnded(contact, path) {
  const disposition = h("input", { id: "disposition", list: "dispositions", maxlength: "200", autocomplete: "off" });
  const summary = h("textarea", { id: "summary", rows: "3", maxlength: "5000", dir: "auto" });
  const followUp = h("input", { id: "follow-up", type: "checkbox", checked: true });
  const read = () => ({ disposition: disposition.value.trim() || null, summary: summary.value.trim() || null, follow_up: followUp.checked });
  return commandForm({
    title: t("resolve-title"),
    confirmText: t("resolve"),
    fields: [
      h("p", { class: "muted" }, contact.subject || contact.preview),
      labelled("disposition", disposition),
      h("datalist", { id: "dispositions" }, SUGGESTIONS.map((word) => h("option", { value: t(`disposition.${word}`) }))),
      labelled("summary", summary),
      h("label", { class: "check", for: "follow-up" }, followUp, t("follow-up")),
    ],
    submit: (key) => command("POST", `${path}/resolve`, read(), key),
  });
}
