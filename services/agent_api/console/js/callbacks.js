// Contacts whose customers are called: the number to call, the dialog that plans a call, and that nobody answered one.
// Called by the conversation and the actions.

import { command, get, Problem } from "./api.js";
import { commandForm } from "./dialogs.js";
import { h, replace } from "./dom.js";
import { labelled } from "./fields.js";
import { addressOf, channelIcon, customerName } from "./labels.js";
import { notify } from "./notices.js";
import { formatTime, t } from "./words.js";

const SCHEME = "tel:";
// As the routing takes numbers: E.164.
const NUMBER = /^\+[1-9][0-9]{4,14}$/;

/** Whoever has this contact in hand has to call its customer. */
export function isToBeCalled(contact) {
  return contact.callback !== null && (contact.state === "active" || contact.state === "held");
}

/** The number to call, to be seen at once: `{element, show(contact)}`. Not there for contacts that are no callbacks in hand. */
export function drawNumber() {
  const element = h("p", { class: "call", hidden: true });
  return {
    element,
    show(contact) {
      element.hidden = !isToBeCalled(contact);
      const facts = JSON.stringify(contact.callback);
      if (element.hidden || element.dataset.facts === facts) return;
      element.dataset.facts = facts;
      const { handle, attempts } = contact.callback;
      const number = addressOf(handle);
      replace(
        element,
        h("a", { href: `${SCHEME}${number}`, "aria-label": t("call", { number }) }, channelIcon("voice"), number),
        attempts > 0 && h("span", { class: "muted" }, t("call-attempts", { count: attempts })),
      );
    },
  };
}

/** Ask where and when to call, and plan it. A promise of the contact, or of null. Raises Problem before the dialog opens. */
export async function callBackLater(contact, path) {
  const number = h("input", { id: "callback-number", type: "tel", maxlength: "40", required: true, autocomplete: "off", value: await findNumber(contact) });
  const from = h("input", { id: "callback-from", type: "datetime-local" });
  const read = () => ({ handle: handleOf(number.value), not_before: from.value ? new Date(from.value).toISOString() : null });
  return commandForm({
    title: t("callback-title", { name: customerName(contact) }),
    confirmText: t("callback-plan"),
    fields: [h("p", { class: "muted" }, t("callback-hint")), labelled("callback-number", number), labelled("callback-from", from)],
    submit: async (key) => command("POST", `${path}/callback`, read(), key),
  });
}

/** Say what became of a plan or of a call that nobody answered. */
export function tellCallback(contact) {
  const name = customerName(contact);
  if (contact.state === "cancelled") return notify(t("not-reached-ended-notice", { name }));
  const time = formatTime(contact.callback.not_before);
  // A new plan begins anew with its attempts.
  return notify(contact.callback.attempts > 0 ? t("not-reached-notice", { name, time }) : t("callback-notice", { name, time }));
}

/** Where the customer was to be called before, came from, or has ever come from; empty where no number is known. */
async function findNumber({ callback, customer }) {
  const isNumber = (handle) => handle?.startsWith(SCHEME);
  let found = [callback?.handle, customer.handle].find(isNumber);
  if (found === undefined && customer.id !== null) {
    const card = await get(`/v1/customers/${encodeURIComponent(customer.id)}`);
    found = card.handles.map(({ handle }) => handle).find(isNumber);
  }
  return found === undefined ? "" : addressOf(found);
}

function handleOf(typed) {
  const number = typed.replace(/[\s().\-/]/g, "").replace(/^00/, "+");
  if (!NUMBER.test(number)) throw new Problem("number-invalid", 400);
  return `${SCHEME}${number}`;
}
