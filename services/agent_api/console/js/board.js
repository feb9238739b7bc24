// The live board: queues, agents, throughput. Frames change its numbers at once; what no frame tells is read at a gentle interval, and
// only while somebody can see it. Agents see the throughput alone: the rest is for supervisors. Called by main.

import { get, list, Problem } from "./api.js";
import { drawAgents } from "./board_agents.js";
import { drawAttention } from "./board_attention.js";
import { drawLeft } from "./board_left.js";
import { drawQueues, keyOf, waitOf } from "./board_queues.js";
import { drawThroughput } from "./chart.js";
import { everySecond } from "./clock.js";
import { h, keep, say } from "./dom.js";
import { explainProblem } from "./labels.js";
import { formatCountdown, t } from "./words.js";

const READ_EVERY_S = 15;
const READ_AFTER_CHANGE_S = 5;
const MINUTES = 30;

/** `{element, end()}`. */
export function drawBoard(console) {
  const supervises = console.me.role !== "agent";
  const tiles = h("dl", { class: "tiles" });
  const queues = drawQueues({ onDrained: takeQueue, onTried: read });
  const agents = drawAgents({ onSet: take });
  const attention = drawAttention();
  const left = drawLeft();
  const chart = h("div", { class: "chart" });
  const problem = h("p", { class: "problem", role: "status" });
  const element = h(
    "main",
    { class: "board" },
    h("h1", { class: "unseen" }, t("board")),
    problem,
    supervises && attention.element,
    tiles,
    supervises && queues.element,
    supervises && left.element,
    h("section", { class: "panel", "aria-labelledby": "throughput-heading" }, h("h2", { id: "throughput-heading" }, t("throughput", { count: MINUTES })), chart),
    supervises && agents.element,
    !supervises && h("p", { class: "muted" }, t("board-reduced")),
  );
  const state = { queues: new Map(), agents: new Map(), flagged: [], left: [], realtime: null };
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
      const [realtime, readQueues, readAgents, flagged, gone] = await Promise.all([
        get(`/v1/metrics/realtime?minutes=${MINUTES}`),
        supervises ? list("/v1/queues") : [],
        supervises ? list("/v1/agents") : [],
        supervises ? list("/v1/contacts?flagged=true&state=queued&state=offered&order=due") : [],
        supervises ? get("/v1/contacts?resumable=true&state=abandoned&order=due&limit=50") : { items: [] },
      ]);
      state.realtime = realtime;
      state.queues = new Map(readQueues.map((queue) => [keyOf(queue), queue]));
      state.agents = new Map(readAgents.map((agent) => [agent.id, agent]));
      state.flagged = flagged;
      state.left = gone.items;
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
    showAgents();
    left.show(state.left);
  }

  function showAgents() {
    agents.show([...state.agents.values()]);
    attention.show(state.flagged, [...state.agents.values()]);
  }

  /** An agent's presence, as a frame or a command's answer says it. */
  function take({ agent: id, presence, since }) {
    const agent = state.agents.get(id);
    if (!agent) return;
    state.agents.set(id, { ...agent, presence, since });
    showAgents();
    showTiles(tiles, state, supervises);
  }

  /** What a frame or a command's answer says of a queue. */
  function takeQueue(queue) {
    const key = keyOf(queue);
    if (!state.queues.has(key)) return;
    state.queues.set(key, { ...state.queues.get(key), ...queue });
    queues.show([...state.queues.values()]);
    showTiles(tiles, state, supervises);
  }

  function hear(frame) {
    if (frame.type === "hello") read();
    if (frame.type === "queue.changed" && supervises) {
      changed = true;
      if (!state.queues.has(keyOf(frame.queue))) return void read();
      takeQueue(frame.queue);
    }
    if (frame.type === "presence.changed") take(frame);
    // What is flagged is seen at once, and what is not any more; so is who left.
    const known = frame.contact && [...state.flagged, ...state.left].some((contact) => contact.id === frame.contact.id);
    if (supervises && (known || frame.change === "flagged" || frame.change === "abandoned")) {
      changed = true;
      read();
    }
  }

  function tick() {
    seconds += 1;
    if (seconds >= (changed ? READ_AFTER_CHANGE_S : READ_EVERY_S)) read();
    if (state.realtime !== null) showTiles(tiles, state, supervises);
    queues.tick();
    agents.tick();
    attention.tick();
    left.tick();
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

function showTiles(place, { queues, agents, realtime }, supervises) {
  const sum = (rows, name) => rows.reduce((total, row) => total + row[name], 0);
  const minutes = realtime?.minutes ?? [];
  const rows = [...queues.values()];
  const waits = rows.map(waitOf).filter((wait) => wait !== null);
  const present = [...agents.values()].filter((agent) => agent.presence === "available").length;
  const flow = ["received", "assigned", "resolved", "abandoned"].map((name) => ({ name, value: sum(minutes, name), hint: t("last-minutes", { count: MINUTES }) }));
  const now = [
    { name: "waiting", value: sum(rows, "waiting") },
    { name: "oldest-wait", value: waits.length === 0 ? "–" : formatCountdown(Math.max(...waits)) },
    { name: "in-progress", value: sum(rows, "active") },
    { name: "agents-available", value: present },
  ];
  const tiles = supervises ? [...now, ...flow.filter((tile) => tile.name !== "assigned")] : flow;
  keep(place, tiles, (tile) => tile.name, (tile) => h("div", {}, h("dt", { title: tile.hint ?? null }, t(tile.name)), h("dd", { data: { tile: tile.name } })), (item, tile) => say(item.lastChild, String(tile.value)));
}
