// The agents by presence: what each has, and the switch by which a supervisor changes a presence. Called by the board.

import { command, Problem } from "./api.js";
import { nowMs } from "./clock.js";
import { h, keep, replace, say } from "./dom.js";
import { explainProblem } from "./labels.js";
import { loadText } from "./supervision.js";
import { formatDuration, t } from "./words.js";

const PRESENCES = ["available", "busy", "break", "not_responding", "offline"];
// The router alone holds somebody to be away for not answering.
const CHOICES = ["available", "busy", "break", "offline"];

/** `{element, show(agents), tick()}`. `onSet({agent, presence, since})` follows every change that is made here. */
export function drawAgents({ onSet }) {
  const groups = h("div", { class: "groups" });
  const element = h("section", { class: "panel", "aria-labelledby": "agents-heading" }, h("h2", { id: "agents-heading" }, t("agents")), groups);
  let shown = [];

  function draw() {
    const present = PRESENCES.map((presence) => ({ presence, agents: shown.filter((agent) => agent.presence === presence) }));
    keep(groups, present, (group) => group.presence, makeGroup, (place, { agents }) => {
      say(place.querySelector(".count"), String(agents.length));
      keep(place.querySelector("ul"), agents, (agent) => agent.id, makeAgent, fillAgent);
    });
  }

  function makeAgent(agent) {
    const choice = h("select", { "aria-label": t("presence-of", { name: agent.name }) });
    const item = h(
      "li",
      {},
      h("a", { class: "name", href: `#/agent/${encodeURIComponent(agent.id)}` }),
      h("span", { class: "muted since" }),
      h("span", { class: "load" }),
      choice,
      h("p", { class: "problem", role: "alert" }),
    );
    choice.addEventListener("change", () => setPresence(item, choice));
    return item;
  }

  async function setPresence(item, choice) {
    const agent = shown.find((one) => one.id === item.dataset.key);
    const problem = item.querySelector(".problem");
    const wanted = choice.value;
    // It shows what is so, and not what was merely asked for.
    choice.value = agent.presence;
    choice.disabled = true;
    say(problem, "");
    try {
      const answer = await command("PUT", `/v1/agents/${encodeURIComponent(agent.id)}/presence`, { status: wanted });
      onSet(answer);
      // The line stands in another group now; whoever works by keyboard goes with it.
      groups.querySelector(`li[data-key="${CSS.escape(agent.id)}"] select`)?.focus();
    } catch (refusal) {
      if (!(refusal instanceof Problem)) throw refusal;
      say(problem, explainProblem(refusal));
    }
    choice.disabled = false;
  }

  return {
    element,
    show(agents) {
      shown = agents;
      draw();
    },
    tick: draw,
  };
}

function makeGroup({ presence }) {
  return h("section", { data: { presence } }, h("h3", {}, h("span", { class: "dot" }), t(`presence.${presence}`), h("span", { class: "count" })), h("ul"));
}

function fillAgent(item, agent) {
  const load = loadText(agent);
  const choice = item.querySelector("select");
  say(item.querySelector(".name"), agent.name);
  say(item.querySelector(".since"), formatDuration(nowMs() - Date.parse(agent.since)));
  say(item.querySelector(".load"), load || t("nothing-in-hand"));
  item.querySelector(".load").classList.toggle("muted", load === "");
  if (item.dataset.shown === agent.presence) return;
  item.dataset.shown = agent.presence;
  const option = (presence) => h("option", { value: presence, selected: presence === agent.presence, disabled: !CHOICES.includes(presence) }, t(`presence.${presence}`));
  replace(choice, [...CHOICES, ...(CHOICES.includes(agent.presence) ? [] : [agent.presence])].map(option));
}
