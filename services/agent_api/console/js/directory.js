// The queues and the colleagues of the pool: what ids are called, whom and where contacts can be passed on to. Read when the page starts
// and whenever a choice among them is offered. Called by main, which keeps the only one, and by views.

import { list, Problem } from "./api.js";

const RETRY_MS = 5000;

export class Directory {
  constructor() {
    this.queues = [];
    this.agents = new Map();
    this.listeners = new Set();
    this.ended = false;
    this.ready = this.begin();
  }

  /** Read it until it was read once. What is shown before has ids where names belong. */
  async begin() {
    while (!this.ended) {
      try {
        await this.read();
        return;
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        if (problem.status === 401 || problem.status === 403) return;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** Read it anew. Raises Problem. */
  async read() {
    await Promise.all([this.readQueues(), this.readAgents()]);
  }

  /** Read the queues anew. Raises Problem. */
  async readQueues() {
    this.queues = await list("/v1/destinations");
    this.tell();
  }

  /** Read the agents anew. Raises Problem. */
  async readAgents() {
    const agents = await list("/v1/colleagues");
    this.agents = new Map(agents.map((agent) => [agent.id, agent]));
    this.tell();
  }

  tell() {
    for (const listener of [...this.listeners]) listener();
  }

  /** Call `listener()` whenever it was read, until the function that this gives is called. */
  watch(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** What people call an agent; the id of one who is not known. */
  name(agentId) {
    return this.agents.get(agentId)?.name ?? agentId ?? "";
  }

  /** The colleagues in a pool, those who are there first. */
  colleagues(pool) {
    const order = ["available", "busy", "break", "not_responding", "offline"];
    const rank = (agent) => order.indexOf(agent.presence);
    return [...this.agents.values()]
      .filter((agent) => agent.pool === pool)
      .sort((one, other) => rank(one) - rank(other) || one.name.localeCompare(other.name));
  }

  /** The queues of a pool. */
  queuesOf(pool) {
    return this.queues.filter((queue) => queue.pool === pool);
  }

  /** Whether agents may take a waiting contact of this queue by name. */
  allowsPull(pool, queue) {
    return this.queues.some((known) => known.pool === pool && known.id === queue && known.pull);
  }

  /** Every skill that somebody in the pool has. */
  skills(pool) {
    return [...new Set(this.colleagues(pool).flatMap((agent) => Object.keys(agent.skills)))].sort();
  }

  end() {
    this.ended = true;
  }
}
