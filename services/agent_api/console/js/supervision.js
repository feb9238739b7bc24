// The dialogs of supervisors: giving a contact to somebody, changing what it is, ending it. Called by the actions and the lists.

import { command, list } from "./api.js";
import { commandForm } from "./dialogs.js";
import { h } from "./dom.js";
import { chooseAgent, chooseQueue, editSkills, labelled } from "./fields.js";
import { channelName } from "./labels.js";
import { t } from "./words.js";

const REASONS = ["spam", "duplicate", "test", "not-wanted"];

/** How an agent is loaded, in words: channels with their numbers, and units where they are counted. */
export function loadText(agent) {
  const load = Object.entries(agent.load).map(([channel, number]) => t("load", { channel: channelName(channel), number, room: agent.capacity[channel] ?? 1 }));
  if (agent.units !== null) load.push(t("units", agent.units));
  return load.join(", ");
}

/** Ask who is to have the contact, and give it to them. A promise of the contact, with `warnings`, or of null. */
export async function assign(contact, path) {
  const agents = (await list("/v1/agents")).filter((agent) => agent.pool === contact.pool && agent.id !== contact.agent && agent.presence !== "offline");
  const order = ["available", "busy", "break", "not_responding"];
  agents.sort((one, other) => order.indexOf(one.presence) - order.indexOf(other.presence) || one.name.localeCompare(other.name));
  const agent = chooseAgent("assign-agent", agents, (one) => loadText(one) || t("nothing-in-hand"));
  return commandForm({
    title: t("assign-title"),
    confirmText: t("assign"),
    fields: [h("p", { class: "muted" }, contact.subject || contact.preview), labelled("agent", agent)],
    submit: (key) => command("POST", `${path}/assign`, { agent: agent.value }, key),
  });
}

/** Ask what is to be different, and change it. A promise of the contact, or of null; nothing different changes nothing. */
export async function change({ directory }, contact, path) {
  await directory.read();
  const queue = chooseQueue("change-queue", directory.queuesOf(contact.pool), contact.queue);
  const priority = h("input", { id: "change-priority", type: "number", min: "-10", max: "10", step: "1", required: true, value: contact.priority });
  const skills = editSkills(directory.skills(contact.pool), contact.skills);
  const before = JSON.stringify(contact.skills);
  const submit = async (key) => {
    const wanted = {};
    if (queue.value !== contact.queue) wanted.queue = queue.value;
    if (Number(priority.value) !== contact.priority) wanted.priority = Number(priority.value);
    if (JSON.stringify(skills.read()) !== before) wanted.skills = skills.read();
    return Object.keys(wanted).length === 0 ? contact : command("PATCH", path, wanted, key);
  };
  return commandForm({
    title: t("change-title"),
    confirmText: t("change"),
    fields: [
      labelled("queue", queue),
      labelled("priority", priority),
      h("p", { class: "muted" }, t("priority-hint")),
      h("fieldset", {}, h("legend", {}, t("skills")), skills.element),
    ],
    submit,
  });
}

/** Ask why nobody has to answer, and end the contact. A promise of the contact, or of null. */
export function endWithoutAnswer(contact, path) {
  const reason = h("input", { id: "cancel-reason", list: "cancel-reasons", maxlength: "200", autocomplete: "off", required: true });
  return commandForm({
    title: t("cancel-title"),
    confirmText: t("cancel-contact"),
    danger: true,
    fields: [
      h("p", { class: "muted" }, contact.subject || contact.preview),
      labelled("reason", reason),
      h("datalist", { id: "cancel-reasons" }, REASONS.map((word) => h("option", { value: t(`cancel-reason.${word}`) }))),
    ],
    submit: (key) => command("POST", `${path}/cancel`, { reason: reason.value.trim() }, key),
  });
}
