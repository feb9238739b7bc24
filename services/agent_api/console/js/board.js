// The live board: queues, agents, throughput. Frames change its numbers at once; what no frame tells is read at a gentle interval, and
// only while somebody can see it. Agents see the throughput alone: the rest is for supervisors. Called by main.

import { get, list, Problem } from "./api.js";
import { drawThroughput } from "./chart.js";
import { everySecond, nowMs } from "./clock.js";
import { h, keep, replace, say } from "./dom.js";
import { channelName, explainProblem } from "./labels.js";
import { formatCountdown, formatDuration, formatShare, t } from "./words.js";

const READ_EVERY_S = 15;
const READ_AFTER_CHANGE_S = 5;
const MINUTES = 30;
const PRESENCES = ["available", "busy", "break", "not_responding", "offline"];

/** `{element, end()}`. */
export function drawBoard(console) {
  const supervises = console.me.role !== "agent";
  const tiles = h("dl", { class: "tiles" });
  const queues = drawQueues();
  const agents = drawAgents();
  const chart = h("div", { class: "chart" });
  const problem = h("p", { class: "problem", role: "status" });
  const element = h(
    "main",
    { class: "board" },
    h("h1", { class: "unseen" }, t("board")),
    problem,
    tiles,
    supervises && queues.element,
    h("section", { class: "panel", "aria-labelledby": "throughput-heading" }, h("h2", { id: "throughput-heading" }, t("throughput", { count: MINUTES })), chart),
    supervises && agents.element,
    !supervises && h("p", { class: "muted" }, t("board-reduced")),
  );
  const state = { queues: new Map(), agents: new Map(), realtime: null };
  let ended = false;
  let reading = false;
  let seconds = 0;
  let changed = false;

  async function read() {
    if (reading || document.visibilityState === "hidden") return;
    reading = true;
    seconds = 0;
    changed = false;
    try {
      const [realtime, readQueues, readAgents] = await Promise.all([
        get(`/v1/metrics/realtime?minutes=${MINUTES}`),
        supervises ? list("/v1/queues") : [],
        supervises ? list("/v1/agents") : [],
      ]);
      state.realtime = realtime;
      state.queues = new Map(readQueues.map((queue) => [keyOf(queue), queue]));
      state.agents = new Map(readAgents.map((agent) => [agent.id, agent]));
      say(problem, "");
      if (!ended) show();
    } catch (failure) {
      if (!(failure instanceof Problem)) throw failure;
      say(problem, `${t("board-old")} ${explainProblem(failure)}`);
    } finally {
      reading = false;
    }
  }

  function show() {
    showTiles(tiles, state, supervises);
    drawThroughput(chart, state.realtime.minutes, Date.parse(state.realtime.to), MINUTES);
    queues.show([...state.queues.values()]);
    agents.show([...state.agents.values()]);
  }

  function hear(frame) {
    if (frame.type === "hello") read();
    if (frame.type === "queue.changed" && supervises) {
      changed = true;
      const key = keyOf(frame.queue);
      if (!state.queues.has(key)) return void read();
      state.queues.set(key, { ...state.queues.get(key), ...frame.queue });
      queues.show([...state.queues.values()]);
      showTiles(tiles, state, supervises);
    }
    const agent = frame.type === "presence.changed" && state.agents.get(frame.agent);
    if (agent) {
      state.agents.set(agent.id, { ...agent, presence: frame.presence, since: frame.since });
      agents.show([...state.agents.values()]);
      showTiles(tiles, state, supervises);
    }
  }

  function tick() {
    seconds += 1;
    if (seconds >= (changed ? READ_AFTER_CHANGE_S : READ_EVERY_S)) read();
    if (state.realtime !== null) showTiles(tiles, state, supervises);
    queues.tick();
    agents.tick();
  }

  console.frameListeners.add(hear);
  const stopTicking = everySecond(tick);
  document.addEventListener("visibilitychange", read);
  read();
  return {
    element,
    end() {
      ended = true;
      console.frameListeners.delete(hear);
      stopTicking();
      document.removeEventListener("visibilitychange", read);
    },
  };
}

function keyOf(queue) {
  return `${queue.pool} ${queue.id}`;
}

function waitOf(queue) {
  return queue.oldest_received_at === null ? null : nowMs() - Date.parse(queue.oldest_received_at);
}

function showTiles(place, { queues, agents, realtime }, supervises) {
  const sum = (rows, name) => rows.reduce((total, row) => total + row[name], 0);
  const minutes = realtime?.minutes ?? [];
  const rows = [...queues.values()];
  const waits = rows.map(waitOf).filter((wait) => wait !== null);
  const present = [...agents.values()].filter((agent) => agent.presence === "available").length;
  const flow = ["received", "assigned", "resolved"].map((name) => ({ name, value: sum(minutes, name), hint: t("last-minutes", { count: MINUTES }) }));
  const now = [
    { name: "waiting", value: sum(rows, "waiting") },
    { name: "oldest-wait", value: waits.length === 0 ? "–" : formatCountdown(Math.max(...waits)) },
    { name: "in-progress", value: sum(rows, "active") },
    { name: "agents-available", value: present },
  ];
  const tiles = supervises ? [...now, ...flow.filter((tile) => tile.name !== "assigned")] : flow;
  keep(place, tiles, (tile) => tile.name, (tile) => h("div", {}, h("dt", { title: tile.hint ?? null }, t(tile.name)), h("dd", { data: { tile: tile.name } })), (item, tile) => say(item.lastChild, String(tile.value)));
}

function drawQueues() {
  const columns = ["queue", "waiting", "oldest-wait", "offered", "in-progress", "service-level", "expected-wait"];
  const rows = h("tbody");
  const table = h(
    "table",
    {},
    h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col", title: name === "service-level" ? t("service-level-hint") : null }, t(name))))),
    rows,
  );
  const element = h("section", { class: "panel wide", "aria-labelledby": "queues-heading" }, h("h2", { id: "queues-heading" }, t("queues")), h("div", { class: "scroll" }, table));
  let shown = [];

  function fillRow(row, queue) {
    const wait = waitOf(queue);
    row.dataset.queue = queue.id;
    const cells = [
      queue.waiting,
      wait === null ? "–" : formatCountdown(wait),
      queue.offered,
      queue.active,
      queue.service_level === null ? "–" : formatShare(queue.service_level),
      queue.expected_wait_ms === null ? "–" : formatDuration(queue.expected_wait_ms),
    ];
    cells.forEach((value, index) => say(row.children[index + 1], String(value)));
    row.children[2].classList.toggle("late", wait !== null && queue.target_ms !== null && wait > queue.target_ms);
    row.children[1].classList.toggle("some", queue.waiting > 0);
  }

  const draw = () => keep(rows, shown, keyOf, (queue) => makeRow(queue, columns.length), fillRow);
  return {
    element,
    show(queues) {
      shown = queues;
      draw();
    },
    tick: draw,
  };
}

function makeRow(queue, columns) {
  const target = queue.target_ms === null ? null : h("span", { class: "muted" }, ` ${t("target", { time: formatDuration(queue.target_ms) })}`);
  return h("tr", {}, h("th", { scope: "row" }, queue.id, target), Array.from({ length: columns - 1 }, () => h("td")));
}

function drawAgents() {
  const groups = h("div", { class: "groups" });
  const element = h("section", { class: "panel", "aria-labelledby": "agents-heading" }, h("h2", { id: "agents-heading" }, t("agents")), groups);
  let shown = [];

  function draw() {
    const present = PRESENCES.map((presence) => ({ presence, agents: shown.filter((agent) => agent.presence === presence) }));
    keep(groups, present, (group) => group.presence, makeGroup, (place, { agents }) => {
      say(place.querySelector(".count"), String(agents.length));
      keep(place.querySelector("ul"), agents, (agent) => agent.id, () => h("li"), drawAgent);
    });
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

function drawAgent(item, agent) {
  const load = Object.entries(agent.load).map(([channel, number]) => t("load", { channel: channelName(channel), number, room: agent.capacity[channel] ?? 1 }));
  const since = formatDuration(nowMs() - Date.parse(agent.since));
  const facts = JSON.stringify([agent.name, load, since]);
  if (item.dataset.facts === facts) return;
  item.dataset.facts = facts;
  replace(
    item,
    h("span", { class: "name" }, agent.name),
    h("span", { class: "muted since" }, since),
    h("span", { class: "load" }, load.length > 0 ? load.join(", ") : h("span", { class: "muted" }, t("nothing-in-hand"))),
  );
}
