// Parts of forms that several dialogs need: a colleague, a queue, skills with their levels. They read nothing from the server.
// Called by the dialogs' modules.

import { h, say } from "./dom.js";
import { t } from "./words.js";

const LEVELS = [1, 2, 3, 4, 5];

/** A label over its field. */
export function labelled(name, field) {
  return [h("label", { for: field.id }, t(name)), field];
}

/** A choice among these agents, by presence; nobody is chosen at first. `extra(agent)`: what else is to be said of each. */
export function chooseAgent(id, agents, extra = () => "") {
  const presences = [...new Set(agents.map((agent) => agent.presence))];
  const option = (agent) => h("option", { value: agent.id }, [agent.name, extra(agent)].filter(Boolean).join(" – "));
  return h(
    "select",
    { id, required: true },
    h("option", { value: "" }, t(agents.length > 0 ? "choose" : "nobody-there")),
    presences.map((presence) => h("optgroup", { label: t(`presence.${presence}`) }, agents.filter((agent) => agent.presence === presence).map(option))),
  );
}

/** A choice among these queues. */
export function chooseQueue(id, queues, chosen = "") {
  return h(
    "select",
    { id, required: true },
    !chosen && h("option", { value: "" }, t("choose")),
    queues.map((queue) => h("option", { value: queue.id, selected: queue.id === chosen }, `${queue.id} (${t("waiting-count", { count: queue.waiting })})`)),
  );
}

/** Skills with levels, one a line: `{element, read()}`. `known`: the skills to suggest. */
export function editSkills(known, skills = {}) {
  const lines = h("ul", { class: "skills" });
  const spoken = h("p", { class: "unseen", role: "status" });
  const suggestions = h("datalist", { id: "known-skills" }, known.map((skill) => h("option", { value: skill })));

  function addLine(skill = "", level = 1) {
    const name = h("input", { value: skill, list: "known-skills", maxlength: "64", required: true, autocomplete: "off", "aria-label": t("skill") });
    const rank = h("select", { "aria-label": t("level") }, LEVELS.map((number) => h("option", { value: number, selected: number === level }, t("level-of", { level: number }))));
    const drop = () => {
      line.remove();
      say(spoken, t("skill-removed", { skill: name.value }));
      add.focus();
    };
    const line = h("li", {}, name, rank, h("button", { type: "button", class: "close", "aria-label": t("remove-skill"), on: { click: drop } }, "×"));
    lines.append(line);
    return name;
  }

  const add = h("button", { type: "button", on: { click: () => addLine().focus() } }, t("add-skill"));
  for (const [skill, level] of Object.entries(skills)) addLine(skill, level);
  return {
    element: h("div", {}, lines, suggestions, spoken, add),
    /** Have at least one line to fill in. */
    begin() {
      if (lines.children.length === 0) addLine();
    },
    read: () => Object.fromEntries([...lines.children].map((line) => [line.children[0].value.trim(), Number(line.children[1].value)])),
  };
}
