// The beginning: signs in or goes on with the session, holds the stream, and shows the part of the page that the address names.
// Nothing imports this module.

import { get, onSessionEnded, Problem, signIn } from "./api.js";
import { drawBoard } from "./board.js";
import { drawDesk } from "./desk.js";
import { Directory } from "./directory.js";
import { replace } from "./dom.js";
import { customerName, explainProblem } from "./labels.js";
import { notify } from "./notices.js";
import { clearSession, readSession, saveSession } from "./session.js";
import { drawShell } from "./shell.js";
import { drawSignIn } from "./sign_in.js";
import { Stream } from "./stream.js";
import { drawInHand, drawWaiting } from "./waiting.js";
import { currentLanguage, t } from "./words.js";
import { Work } from "./work.js";

const RETRY_MS = 2000;
// What the first part of the address names; everything else is the desk.
const PARTS = { board: drawBoard, waiting: drawWaiting, agent: drawInHand };
const page = document.getElementById("app");
let running = null;

/** What one signed-in agent's page is made of. */
class Console {
  constructor(me) {
    this.me = me;
    this.work = new Work(me.id);
    this.directory = new Directory();
    this.connection = "connecting";
    this.connectionListeners = new Set();
    this.frameListeners = new Set();
    this.stream = new Stream({ onFrame: (frame) => this.take(frame), onState: (state) => this.setConnection(state) });
    this.shown = null;
    this.seen = () => this.work.markSeen();
    this.route = () => this.show();
    document.addEventListener("visibilitychange", this.seen);
    window.addEventListener("hashchange", this.route);
  }

  start() {
    this.draw();
    this.stream.open();
  }

  /** Draw everything anew, in the language of now. */
  draw() {
    document.documentElement.lang = currentLanguage();
    this.shown?.end();
    this.shown = null;
    this.shell?.end();
    this.shell = drawShell(this, { onLanguage: () => this.draw(), onSignOut: () => leave() });
    replace(page, this.shell.element);
    this.show();
  }

  /** Show the part that the address names. */
  show() {
    const [, part, ...rest] = location.hash.split("/");
    const name = Object.hasOwn(PARTS, part) ? part : "desk";
    const place = rest.filter(Boolean).map(decodeURIComponent);
    if (this.shown?.name !== name) {
      this.shown?.end();
      this.shown = { name, ...(PARTS[name] ?? drawDesk)(this) };
      replace(this.shell.place, this.shown.element);
    }
    this.shown.open?.(name !== "desk" ? place : part === "contact" && place.length > 0 ? place[0] : null);
    this.shell.mark(name === "agent" ? "board" : name);
  }

  take(frame) {
    this.work.apply(frame);
    this.alarm(frame);
    for (const listener of [...this.frameListeners]) listener(frame);
  }

  /** What a supervisor should look at is said wherever the supervisor is. */
  alarm(frame) {
    if (this.me.role === "agent") return;
    if (frame.type === "contact.updated" && frame.change === "flagged") notify(t("flagged-notice", { name: customerName(frame.contact), ...frame.contact.flag }), "problem");
    if (frame.type === "presence.changed" && frame.presence === "not_responding" && frame.agent !== this.me.id) {
      notify(t("not-responding-notice", { name: this.directory.name(frame.agent) }), "problem");
    }
  }

  setConnection(state) {
    this.connection = state;
    for (const listener of [...this.connectionListeners]) listener(state);
    if (state === "refused") leave(t("problem.agent-unknown"));
  }

  end() {
    this.stream.close();
    this.directory.end();
    this.shown?.end();
    this.shell?.end();
    document.removeEventListener("visibilitychange", this.seen);
    window.removeEventListener("hashchange", this.route);
  }
}

/** Back to the sign-in form, with a sentence where there is one. */
function leave(sentence = "") {
  running?.end();
  running = null;
  clearSession();
  document.title = "Centralino";
  showSignIn(sentence);
}

function showSignIn(sentence = "") {
  document.documentElement.lang = currentLanguage();
  const onLanguage = () => showSignIn();
  replace(page, drawSignIn({ sentence, onLanguage, onSubmit: enter }));
  page.querySelector("input")?.focus();
}

/** Sign in. Gives the sentence that says why not, or nothing. */
async function enter(agent, password) {
  try {
    const { token } = await signIn(agent, password);
    saveSession(agent, token);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return explainProblem(problem);
  }
  await resume();
  return "";
}

/** Go on with the session that is kept. A server that does not answer is asked again: the session may be good. */
async function resume() {
  const session = readSession();
  let me;
  try {
    me = await get("/v1/me");
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status === 401) return;
    if (problem.status === 403) return leave(explainProblem(problem));
    notify(explainProblem(problem));
    setTimeout(() => readSession()?.token === session.token && resume(), RETRY_MS);
    return;
  }
  if (readSession()?.token !== session.token) return;
  running?.end();
  running = new Console(me);
  running.start();
}

onSessionEnded(() => leave(t("session-ended")));

if (readSession()) resume();
else showSignIn();
