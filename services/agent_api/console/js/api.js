// The agent API over HTTP. Every refusal becomes a `Problem`; a session that is over is told to main. Called by views and the stream.

import { readSession } from "./session.js";

/** What the server refused or could not do. `type` is the problem's short word; `unreachable` and `pending` are this client's own. */
export class Problem extends Error {
  constructor(type, status, detail = "") {
    super(detail || type);
    this.type = type;
    this.status = status;
    this.detail = detail;
  }

  /** Whether it is not known if the request took effect: only the same key may try again. */
  get uncertain() {
    return this.status === 0 || this.status >= 500;
  }
}

const PAGE_LIMIT = 200;
const PAGES_MAX = 20;
const PENDING_TRIES = 15;
let sessionEnded = () => {};

/** Call `listener` when the server no longer takes the token. */
export function onSessionEnded(listener) {
  sessionEnded = listener;
}

/** A key for one command. The same command again takes the same key, a new one a new key. */
export function newKey() {
  // `randomUUID` is missing where the page comes over plain HTTP from another machine.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The JSON of a GET. Raises Problem. */
export async function get(path) {
  return (await request("GET", path)).json();
}

/** Every item of a list, page by page. Raises Problem. */
export async function list(path) {
  const items = [];
  let cursor = "";
  for (let page = 0; page < PAGES_MAX && cursor !== null; page += 1) {
    const query = `${path.includes("?") ? "&" : "?"}limit=${PAGE_LIMIT}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
    const answer = await get(path + query);
    items.push(...answer.items);
    cursor = answer.next_cursor;
  }
  return items;
}

/** Carry a command out and give its answer, also where the router takes its time. Raises Problem. */
export async function command(method, path, body, key = newKey()) {
  const answer = await request(method, path, { body, key });
  return answer.status === 202 ? follow(answer) : answer.json();
}

/** Sign in: `{token, expires_at}`. Raises Problem. */
export async function signIn(agent, password) {
  const answer = await request("POST", "/v1/session", { body: { agent_id: agent, password }, signedIn: false });
  return answer.json();
}

/** A file's bytes. Raises Problem. */
export async function download(path) {
  return (await request("GET", path)).blob();
}

async function follow(answer) {
  const place = answer.headers.get("Location");
  for (let attempt = 0; attempt < PENDING_TRIES; attempt += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const row = await get(place);
    if (row.state === "done") return row.answer;
    if (row.state === "refused") throw new Problem(row.reason, 409, row.detail ?? "");
  }
  throw new Problem("pending", 0);
}

async function request(method, path, { body, key, signedIn = true } = {}) {
  const session = signedIn ? readSession() : null;
  const headers = {};
  if (session) headers.Authorization = `Bearer ${session.token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem("unreachable", 0);
  }
  if (answer.ok) return answer;
  const problem = await readProblem(answer);
  // Another token may be in place by now: then this answer is about one that nobody uses any more.
  if (answer.status === 401 && signedIn && session?.token === readSession()?.token) sessionEnded();
  throw problem;
}

async function readProblem(answer) {
  try {
    const document = await answer.json();
    const fields = (document.errors ?? []).map((field) => field.detail).join("; ");
    return new Problem(document.type.split(":").pop(), answer.status, document.detail || fields || document.title);
  } catch {
    return new Problem("unreadable", answer.status, `HTTP ${answer.status}`);
  }
}
