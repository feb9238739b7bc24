// The dialogs by which agents involve others: passing a contact on, and asking a colleague to look at it. Called by the actions.

import { command } from "./api.js";
import { commandForm } from "./dialogs.js";
import { h } from "./dom.js";
import { chooseAgent, chooseQueue, editSkills, labelled } from "./fields.js";
import { t } from "./words.js";

const KINDS = ["queue", "agent", "skills"];
const NOTE_CHARS_MAX = "20000";

/** Ask where the contact goes and pass it on. A promise of the contact as it stands then, or of null. Raises Problem before the dialog opens. */
export async function passOn({ me, directory }, contact, path) {
  await directory.read();
  const colleagues = directory.colleagues(contact.pool).filter((agent) => agent.id !== contact.agent && agent.presence !== "offline");
  const skills = editSkills(directory.skills(contact.pool));
  const queue = chooseQueue("transfer-queue", directory.queuesOf(contact.pool));
  const agent = chooseAgent("transfer-agent", colleagues, (one) => (one.id === me.id ? t("myself") : ""));
  const note = h("textarea", { id: "transfer-note", rows: "3", maxlength: NOTE_CHARS_MAX, dir: "auto" });
  const fields = {
    queue: h("div", {}, labelled("queue", queue)),
    agent: h("div", {}, labelled("colleague", agent)),
    skills: h("div", { role: "group", "aria-label": t("asks-for") }, skills.element),
  };
  const choices = KINDS.map((kind) => h("input", { type: "radio", name: "kind", value: kind, id: `transfer-kind-${kind}`, checked: kind === "queue" }));
  const chosen = () => choices.find((choice) => choice.checked).value;
  const show = () => {
    for (const kind of KINDS) {
      fields[kind].hidden = kind !== chosen();
      // What is not asked for must not keep the form from being sent.
      for (const field of fields[kind].querySelectorAll("input, select")) field.disabled = kind !== chosen();
    }
    if (chosen() === "skills") skills.begin();
  };
  for (const choice of choices) choice.addEventListener("change", show);
  show();
  const read = { queue: () => queue.value, agent: () => agent.value, skills: () => skills.read() };
  return commandForm({
    title: t("transfer-title"),
    confirmText: t("transfer"),
    fields: [
      h(
        "fieldset",
        { class: "segments" },
        h("legend", { class: "unseen" }, t("transfer-to")),
        choices.map((choice) => h("label", { for: choice.id }, choice, h("span", {}, t(`transfer-to.${choice.value}`)))),
      ),
      h("div", { class: "one-of" }, Object.values(fields)),
      labelled("transfer-note", note),
    ],
    submit: (key) => command("POST", `${path}/transfer`, { [chosen()]: read[chosen()](), note: note.value.trim() || null }, key),
  });
}

/** Ask whom to ask. A promise of the contact, or of null. Raises Problem before the dialog opens. */
export async function consult({ directory }, contact, path) {
  await directory.readAgents();
  const asked = new Set([contact.agent, ...contact.consults]);
  const colleagues = directory.colleagues(contact.pool).filter((agent) => !asked.has(agent.id) && agent.presence !== "offline");
  const agent = chooseAgent("consult-agent", colleagues);
  return commandForm({
    title: t("consult-title"),
    confirmText: t("consult-ask"),
    fields: [h("p", { class: "muted" }, t("consult-hint")), labelled("colleague", agent)],
    submit: (key) => command("POST", `${path}/consult`, { agent: agent.value }, key),
  });
}
