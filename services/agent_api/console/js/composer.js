// The boxes for a reply and for a note. What is written stays, also over other contacts and failures, until the server has taken it.
// Called by the conversation.

import { command, newKey, Problem } from "./api.js";
import { h, say } from "./dom.js";
import { explainProblem } from "./labels.js";
import { t } from "./words.js";

// By contact and kind: {text, key, sending, show}. The key belongs to the text: the same text tried again is the same command.
// `show` draws the box that has the draft now, which may be another one than that which sent it.
const drafts = new Map();
const KINDS = { reply: "messages", note: "notes" };

/** `{element, allow({reply, reason}), focus()}`. `onSent()` follows every success. */
export function drawComposer({ contactId, path, onSent }) {
  const forms = {};
  let shown = "reply";
  for (const kind of Object.keys(KINDS)) forms[kind] = drawBox({ kind, contactId, path: `${path}/${KINDS[kind]}`, onSent });
  const tabs = Object.keys(KINDS).map((kind) =>
    h(
      "button",
      { type: "button", role: "tab", id: `tab-${kind}`, "aria-controls": `panel-${kind}`, data: { kind }, on: { click: () => choose(kind, true), keydown: step } },
      t(`${kind}-tab`),
    ),
  );
  const closed = h("p", { class: "closed muted", hidden: true });
  const element = h(
    "div",
    { class: "composer" },
    h("div", { class: "tabs", role: "tablist", "aria-label": t("answer") }, tabs),
    closed,
    Object.values(forms).map((form) => form.element),
  );

  function choose(kind, focus) {
    shown = kind;
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab.dataset.kind === kind));
      tab.tabIndex = tab.dataset.kind === kind ? 0 : -1;
    }
    for (const [name, form] of Object.entries(forms)) form.element.hidden = name !== kind;
    closed.classList.toggle("elsewhere", kind !== "reply");
    if (focus) forms[kind].focus();
  }

  function step(event) {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    choose(shown === "reply" ? "note" : "reply", false);
    tabs.find((tab) => tab.dataset.kind === shown).focus();
  }

  choose(shown, false);
  return {
    element,
    allow({ reply, reason }) {
      forms.reply.enable(reply);
      closed.hidden = reply;
      say(closed, reply ? "" : reason);
    },
    /** Begin with this box. */
    choose: (kind) => choose(kind, false),
    focus: () => forms[shown].focus(),
  };
}

function drawBox({ kind, contactId, path, onSent }) {
  const place = `${kind} ${contactId}`;
  const draft = drafts.get(place) ?? { text: "", key: newKey(), sending: false };
  const box = h("textarea", { id: `box-${kind}`, rows: "4", maxlength: kind === "note" ? "20000" : "100000", "aria-label": t(`${kind}-box`), placeholder: t(`${kind}-box`), dir: "auto" });
  const problem = h("p", { class: "problem", role: "alert" });
  const button = h("button", { class: "primary" }, t(`${kind}-send`), h("kbd", { "aria-hidden": "true" }, t("send-keys")));
  let enabled = true;

  const keepDraft = () => {
    if (box.value !== draft.text) draft.key = newKey();
    draft.text = box.value;
    if (draft.text) drafts.set(place, draft);
  };

  draft.show = () => {
    if (box.value !== draft.text) box.value = draft.text;
    box.readOnly = draft.sending;
    box.disabled = !enabled;
    button.disabled = draft.sending || !enabled;
    element.setAttribute("aria-busy", String(draft.sending));
  };

  const submit = async (event) => {
    event.preventDefault();
    if (draft.sending || !enabled || !box.value.trim()) return;
    keepDraft();
    draft.sending = true;
    draft.show();
    say(problem, "");
    try {
      await command("POST", path, { text: draft.text }, draft.key);
      // The box is read-only meanwhile, so nothing was added that could be lost.
      Object.assign(draft, { text: "", key: newKey() });
      drafts.delete(place);
      onSent();
    } catch (refusal) {
      if (!(refusal instanceof Problem)) throw refusal;
      // Where it is not known whether it was sent, only the same command may be tried again.
      if (!refusal.uncertain) draft.key = newKey();
      say(problem, `${t(`${kind}-not-sent`)} ${explainProblem(refusal)}`);
    }
    draft.sending = false;
    draft.show();
    box.focus();
  };

  const press = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) element.requestSubmit();
  };

  const element = h(
    "form",
    { id: `panel-${kind}`, role: "tabpanel", "aria-labelledby": `tab-${kind}`, class: kind, on: { submit } },
    box,
    h("div", { class: "send" }, problem, button),
  );
  box.addEventListener("input", keepDraft);
  box.addEventListener("keydown", press);
  draft.show();
  return {
    element,
    enable(yes) {
      if (enabled === yes) return;
      enabled = yes;
      draft.show();
    },
    focus: () => box.focus(),
  };
}
