// The frame around everything: the bar with navigation, presence, connection, and signing out. Called by main.

import { command, Problem } from "./api.js";
import { h, say } from "./dom.js";
import { ask } from "./dialogs.js";
import { explainProblem } from "./labels.js";
import { drawLanguages } from "./languages.js";
import { notify } from "./notices.js";
import { t } from "./words.js";

const PRESENCES = ["available", "busy", "break", "offline"];

/** `{element, place, mark(name), end()}`: `place` is where the parts go. */
export function drawShell(console, { onLanguage, onSignOut }) {
  const { me, work, directory } = console;
  const place = h("div", { class: "place" });
  const links = { desk: navigation("#/", t("desk")), waiting: navigation("#/waiting", t("waiting-part")), board: navigation("#/board", t("board")) };
  // Agents have nothing to look for where nothing may be taken by name.
  const showWaiting = () => {
    links.waiting.hidden = me.role === "agent" && !directory.queues.some((queue) => queue.pull);
  };
  showWaiting();
  const offers = h("span", { class: "badge", hidden: true });
  links.desk.append(offers);
  const presence = drawPresence(me, work);
  const banner = h("p", { class: "banner", role: "status", hidden: true });
  const connection = h("span", { class: "connection", data: { state: console.connection } });
  const showConnection = (state) => {
    connection.dataset.state = state;
    connection.title = t(`connection.${state}`);
    say(connection, t(`connection.${state}`));
    banner.hidden = state !== "reconnecting";
    say(banner, state === "reconnecting" ? t("reconnecting") : "");
  };
  const showOffers = () => {
    const count = work.offers.size;
    offers.hidden = count === 0;
    say(offers, String(count));
    document.title = count === 0 ? "Centralino" : `(${count}) ${t("offers-title")} – Centralino`;
  };
  const stop = work.watch(showOffers);
  const stopNaming = directory.watch(showWaiting);
  console.connectionListeners.add(showConnection);
  showConnection(console.connection);
  showOffers();
  const signOut = () => leave(work, onSignOut);
  const bar = h(
    "header",
    { class: "bar" },
    h("span", { class: "brand" }, "Centralino"),
    h("nav", { "aria-label": t("navigation") }, Object.values(links)),
    presence.element,
    h("span", { class: "gap" }),
    connection,
    drawLanguages(onLanguage),
    h("span", { class: "me", title: me.id }, me.name),
    h("button", { type: "button", class: "quiet", on: { click: signOut } }, t("sign-out")),
  );
  return {
    element: h("div", { class: "shell" }, bar, banner, place),
    place,
    mark(name) {
      for (const [key, link] of Object.entries(links)) {
        if (key === name) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
    },
    end() {
      stop();
      stopNaming();
      presence.end();
      console.connectionListeners.delete(showConnection);
    },
  };
}

function navigation(address, text) {
  return h("a", { href: address }, text);
}

/** What is in hand goes back when its agent goes offline: nobody should do that unawares. */
async function mayGoOffline(work) {
  return work.contacts.size === 0 || ask(t("offline-question", { count: work.contacts.size }), t("go-offline"));
}

async function leave(work, onSignOut) {
  if (!(await mayGoOffline(work))) return;
  try {
    await command("PUT", "/v1/me/presence", { status: "offline" });
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    // One who is no agent of a pool has no presence. Anybody else would stay available with nobody there.
    if (problem.status !== 404) {
      notify(`${t("sign-out-failed")} ${explainProblem(problem)}`, "problem");
      return;
    }
  }
  onSignOut();
}

/** The switch shows what the server says, and never what was merely asked for. */
function drawPresence(me, work) {
  const inputs = PRESENCES.map((status) =>
    h("input", { type: "radio", name: "presence", value: status, id: `presence-${status}` }),
  );
  // Nobody chooses this one: the router does, and any choice ends it.
  const unanswered = h("strong", { class: "unanswered", role: "status" }, t("presence.not_responding"));
  const element = h(
    "fieldset",
    { class: "presence" },
    h("legend", { class: "unseen" }, t("presence")),
    inputs.map((input) => h("label", { for: input.id, data: { presence: input.value } }, input, h("span", {}, t(`presence.${input.value}`)))),
    unanswered,
  );
  const show = () => {
    unanswered.hidden = work.presence !== "not_responding";
    element.disabled = work.presence === null || me.pool === null;
    for (const input of inputs) input.checked = input.value === work.presence;
  };
  const change = async (event) => {
    const status = event.target.value;
    show();
    if (status === "offline" && !(await mayGoOffline(work))) return;
    element.setAttribute("aria-busy", "true");
    try {
      const answer = await command("PUT", "/v1/me/presence", { status });
      work.applyPresence(answer.presence);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      notify(explainProblem(problem), "problem");
    }
    element.removeAttribute("aria-busy");
    show();
  };
  for (const input of inputs) input.addEventListener("change", change);
  show();
  return { element, end: work.watch(show) };
}
