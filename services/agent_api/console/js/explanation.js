// Why: who could have had the contact at each offer and who could not, and what keeps it waiting. Read when somebody asks, which takes the
// router a moment. Called by the actions and the lists.

import { get, Problem } from "./api.js";
import { showDialog } from "./dialogs.js";
import { h, replace } from "./dom.js";
import { channelName, explainProblem, skillsText } from "./labels.js";
import { formatDuration, formatTime, hasText, t } from "./words.js";

const SHOWN = 8;

/** Open the dialog; a promise that is kept at once, so that nothing waits for its end. */
export async function showExplanation({ directory }, path) {
  const body = h("div", { class: "explanation", role: "status" }, h("p", { class: "muted" }, t("explain-wait")));
  let ended = false;
  showDialog(t("explain-title"), body, () => {
    ended = true;
  });
  read();

  async function read() {
    try {
      const explanation = await get(`${path}/explain`);
      if (!ended) replace(body, drawExplanation(explanation, directory));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (ended) return;
      const again = () => {
        replace(body, h("p", { class: "muted" }, t("explain-wait")));
        read();
      };
      replace(body, h("p", { class: "problem" }, explainProblem(problem)), h("button", { type: "button", on: { click: again } }, t("try-again")));
    }
  }
}

function drawExplanation(explanation, directory) {
  const offers = [...explanation.offers].reverse();
  return [
    !explanation.complete && h("p", { class: "muted" }, t("explain-incomplete")),
    explanation.waiting && drawWaiting(explanation.waiting, directory),
    offers.map((offer, index) => drawOffer(offer, directory, index === 0 && !explanation.waiting)),
    offers.length === 0 && !explanation.waiting && h("p", { class: "muted" }, t("explain-nothing")),
  ];
}

function drawWaiting(waiting, directory) {
  const helps = Object.entries(waiting.would_help).slice(0, SHOWN);
  return h(
    "section",
    {},
    h("h3", {}, t("explain-waiting")),
    h("p", {}, t("explain-place", { time: formatDuration(waiting.waited_ms), queue: waiting.queue, queued: waiting.ahead_in_queue, pooled: waiting.ahead_in_pool })),
    drawNeeds(waiting),
    waiting.relaxation && h("p", {}, t("explain-relaxation", { time: formatTime(waiting.relaxation.at), skills: needsText(waiting.relaxation) })),
    waiting.overflow && h("p", {}, overflowText(waiting.overflow)),
    helps.length > 0 && [
      h("p", {}, t("explain-helps")),
      h("ul", {}, helps.map(([agent, blocker]) => h("li", {}, h("strong", {}, directory.name(agent)), ` ${blockerText(blocker, directory)}`))),
    ],
    drawStanding(waiting, directory),
  );
}

/** What becomes of it if it still waits then. */
function overflowText({ at, to, target }) {
  const key = `overflow.${to}`;
  return t("explain-overflow", { time: formatTime(at), what: hasText(key) ? t(key, { target }) : to });
}

function drawOffer(offer, directory, open) {
  const strategy = hasText(`strategy.${offer.strategy}`) ? t(`strategy.${offer.strategy}`) : offer.strategy;
  return h(
    "details",
    { open },
    h("summary", {}, h("time", { datetime: offer.at }, formatTime(offer.at)), ` ${t("explain-offer", { name: directory.name(offer.agent_id), time: formatDuration(offer.waited_ms) })}`),
    h("p", {}, t("explain-strategy", { strategy }), offer.overtaken > 0 && ` ${t("explain-overtaken", { count: offer.overtaken })}`),
    drawNeeds(offer),
    drawStanding(offer, directory),
  );
}

function drawNeeds(decision) {
  const asks = decision.relaxed > 0 || decision.any_of.length > 0 || Object.keys(decision.skills).length > 0;
  return asks && h("p", { class: "muted" }, t("explain-needs", { skills: needsText(decision), relaxed: decision.relaxed }));
}

/** All that is asked for; each of several alternatives is complete. */
function needsText({ skills, any_of: anyOf }) {
  return (anyOf.length > 0 ? anyOf : [skills]).map((needed) => skillsText(needed) || t("no-skills")).join(` ${t("or")} `);
}

function drawStanding({ standing, at }, directory) {
  const more = (total, shown) => total > shown.length && h("li", { class: "muted" }, t("and-more", { count: total - shown.length }));
  const candidates = standing.candidates.slice(0, SHOWN);
  const leftOut = standing.left_out.slice(0, SHOWN);
  return [
    standing.candidates_total > 0 && [
      h("h4", {}, t("explain-could", { count: standing.candidates_total })),
      h("ol", {}, candidates.map((agent) => h("li", {}, h("strong", {}, directory.name(agent.agent_id)), ` ${candidateText(agent, at)}`)), more(standing.candidates_total, candidates)),
    ],
    standing.left_out_total > 0 && [
      h("h4", {}, t("explain-could-not", { count: standing.left_out_total })),
      h("ul", {}, leftOut.map((agent) => h("li", {}, h("strong", {}, directory.name(agent.agent_id)), ` ${agent.blockers.map((blocker) => blockerText(blocker, directory)).join("; ")}`)), more(standing.left_out_total, leftOut)),
    ],
  ];
}

function candidateText(agent, at) {
  const idle = agent.idle_since === null ? null : t("idle-for", { time: formatDuration(Date.parse(at) - Date.parse(agent.idle_since)) });
  return [t("in-hand", { count: agent.in_hand }), idle].filter(Boolean).join(", ");
}

/** What stands in the way, in words. */
function blockerText(blocker, directory) {
  const key = `obstacle.${blocker.obstacle}`;
  if (!hasText(key)) return blocker.obstacle;
  const subject = blocker.subject ?? "";
  const meanings = {
    presence: () => (hasText(`presence.${subject}`) ? t(`presence.${subject}`) : subject),
    reserved: () => directory.name(subject),
    capacity: () => channelName(subject),
    units: () => channelName(subject),
    excluded: () => channelName(subject),
  };
  return t(key, { ...blocker, subject: meanings[blocker.obstacle]?.() ?? subject, until: blocker.until ? formatTime(blocker.until) : "–" });
}
