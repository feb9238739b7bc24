// The offers as cards: who, what, why me, how long still; accept and decline by button or key. Called by the desk.

import { command, newKey, Problem } from "./api.js";
import { everySecond, nowMs } from "./clock.js";
import { commandForm } from "./dialogs.js";
import { h, keep, say } from "./dom.js";
import { channelLabel, channelName, customerName, explainOffer, explainProblem, subjectOf, waitedText } from "./labels.js";
import { announce, notify } from "./notices.js";
import { formatCountdown, t } from "./words.js";

// After these the offer is nobody's any more, or not this agent's.
const GONE = new Set(["offer-expired", "offer-taken-back", "offer-already-accepted", "offer-unknown", "not-your-offer"]);
const HURRY_MS = 6000;
const REJECT_REASONS = ["another-skill", "knows-customer", "no-time"];
const EMPTY = { available: "no-offers", not_responding: "no-offers-not-responding" };

/** `{element, end()}`. */
export function drawOffers({ work, directory }) {
  const cards = h("div", { class: "offers" });
  const empty = h("p", { class: "empty" });
  const heading = h("h2", { id: "offers-heading" }, t("offers"));
  const element = h("section", { class: "panel", "aria-labelledby": "offers-heading" }, heading, cards, empty);

  function show() {
    keep(cards, [...work.offers.values()], (offer) => offer.id, (offer) => drawCard(work, directory, offer));
    empty.hidden = work.offers.size > 0;
    say(empty, t(EMPTY[work.presence] ?? "no-offers-away"));
    tick();
  }

  function tick() {
    for (const card of cards.children) {
      const offer = work.offers.get(card.dataset.key);
      if (offer) showTime(card, offer);
    }
  }

  function hear(event) {
    show();
    if (event.type === "offer.made" && Date.parse(event.offer.expires_at) > nowMs()) {
      const { contact } = event.offer;
      const words = { channel: channelName(contact.channel), name: customerName(contact), subject: subjectOf(contact) };
      announce(t("offer-announced", words));
      // Whoever is writing goes on writing: a key meant for the text must not answer an offer, nor one meant for an offer another.
      if (!isWriting() && !cards.contains(document.activeElement)) cards.lastElementChild?.focus();
    } else if (event.type === "offer.expired") {
      notify(t("offer-expired-notice", { name: customerName(event.offer.contact) }));
    } else if (event.type === "offer.withdrawn") {
      notify(t("offer-withdrawn-notice", { name: customerName(event.offer.contact) }));
    }
  }

  function press(event) {
    if (!event.altKey || event.ctrlKey || event.metaKey) return;
    // By place and not by letter: with Alt held, some keyboards make other letters.
    const verb = { KeyA: "accept", KeyR: event.shiftKey ? "reason" : "reject" }[event.code];
    const card = cards.contains(document.activeElement) ? document.activeElement.closest(".offer") : cards.firstElementChild;
    if (!verb || !card) return;
    event.preventDefault();
    card.querySelector(`[data-verb=${verb}]`).click();
  }

  const stopNaming = directory.watch(() => {
    for (const card of cards.children) if (work.offers.has(card.dataset.key)) showReason(card, work.offers.get(card.dataset.key), directory);
  });
  const stopWatching = work.watch(hear);
  const stopTicking = everySecond(tick);
  document.addEventListener("keydown", press);
  show();
  return {
    element,
    end() {
      stopNaming();
      stopWatching();
      stopTicking();
      document.removeEventListener("keydown", press);
    },
  };
}

function isWriting() {
  const active = document.activeElement;
  return active?.matches("textarea, input:not([type=radio]):not([type=checkbox]), dialog *") ?? false;
}

function showReason(card, offer, directory) {
  say(card.querySelector(".why"), `${waitedText(offer.reason.waited_ms)} ${explainOffer(offer.reason, directory)}`);
}

function drawCard(work, directory, offer) {
  const { contact } = offer;
  const keys = { accept: newKey(), reject: newKey() };
  const buttons = ["accept", "reject"].map((verb) =>
    h(
      "button",
      { type: "button", class: verb === "accept" ? "primary" : "", data: { verb }, "aria-keyshortcuts": t(`${verb}-keys`), on: { click: () => answer(verb) } },
      t(verb),
      h("kbd", { "aria-hidden": "true" }, t(`${verb}-keys`)),
    ),
  );
  const reason = h(
    "button",
    { type: "button", class: "more", data: { verb: "reason" }, "aria-label": t("reject-with-reason"), title: `${t("reject-with-reason")} (${t("reason-keys")})`, "aria-keyshortcuts": "Alt+Shift+R", on: { click: giveReason } },
    "…",
  );
  buttons.push(reason);
  const refusal = h("p", { class: "problem", role: "alert" });
  const card = h(
    "article",
    { class: "offer", tabindex: "-1", "aria-label": t("offer-of", { name: customerName(contact) }) },
    h("div", { class: "first" }, channelLabel(contact.channel), h("span", { class: "muted" }, contact.queue), h("span", { class: "countdown", role: "timer" })),
    h("div", { class: "name" }, customerName(contact)),
    h("div", { class: "subject" }, subjectOf(contact)),
    contact.subject && contact.preview !== contact.subject && h("p", { class: "preview" }, contact.preview),
    h("p", { class: "why" }),
    refusal,
    h("div", { class: "buttons" }, buttons),
    h("div", { class: "rest", "aria-hidden": "true" }),
  );

  showReason(card, offer, directory);

  async function giveReason() {
    const text = h("input", { id: "reject-reason", list: "reject-reasons", maxlength: "200", required: true, autocomplete: "off" });
    const fields = [
      h("p", { class: "muted" }, subjectOf(contact)),
      h("label", { for: text.id }, t("reason")),
      text,
      h("datalist", { id: "reject-reasons" }, REJECT_REASONS.map((word) => h("option", { value: t(`reject-reason.${word}`) }))),
    ];
    const submit = (key) => command("POST", `/v1/offers/${encodeURIComponent(offer.id)}/reject`, { reason: text.value.trim() }, key);
    const declined = await commandForm({ title: t("reject-title", { name: customerName(contact) }), fields, confirmText: t("reject"), submit });
    if (declined) work.dropOffer(offer.id);
  }

  async function answer(verb) {
    // Only the first press counts until the server has answered it.
    if (card.getAttribute("aria-busy") === "true") return;
    setBusy(true);
    say(refusal, "");
    try {
      const body = verb === "reject" ? {} : undefined;
      const answered = await command("POST", `/v1/offers/${encodeURIComponent(offer.id)}/${verb}`, body, keys[verb]);
      work.dropOffer(offer.id);
      if (verb === "accept") {
        work.applyContact(answered);
        location.hash = `#/contact/${encodeURIComponent(contact.id)}`;
      }
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      // A card that goes away takes its sentences with it.
      if (GONE.has(problem.type)) notify(explainProblem(problem), "problem");
      else say(refusal, explainProblem(problem));
      // A try whose end is unknown is repeated as the same command; a refused one would only be refused again.
      if (!problem.uncertain) keys[verb] = newKey();
      if (GONE.has(problem.type)) work.dropOffer(offer.id);
      setBusy(false);
    }
  }

  function setBusy(busy) {
    card.setAttribute("aria-busy", String(busy));
    for (const button of buttons) button.disabled = busy;
  }

  return card;
}

function showTime(card, offer) {
  const leftMs = Date.parse(offer.expires_at) - nowMs();
  // How long it had at first is known to one who was there; one who comes later sees the rest of what is left.
  if (!card.dataset.wholeMs) card.dataset.wholeMs = String(Math.max(1, Date.parse(offer.expires_at) - Date.parse(offer.made_at ?? new Date(nowMs()).toISOString())));
  const countdown = card.querySelector(".countdown");
  say(countdown, leftMs > 0 ? formatCountdown(leftMs) : t("time-is-up"));
  card.dataset.hurry = String(leftMs < HURRY_MS);
  card.querySelector(".rest").style.setProperty("--rest", String(Math.min(1, Math.max(0, leftMs / Number(card.dataset.wholeMs)))));
}
