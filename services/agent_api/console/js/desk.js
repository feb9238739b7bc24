// The agent's desk: offers and contacts at the left, the open contact beside them. Called by main.

import { drawContactList } from "./contacts.js";
import { drawConversation } from "./conversation.js";
import { h, replace } from "./dom.js";
import { customerName } from "./labels.js";
import { notify } from "./notices.js";
import { drawOffers } from "./offers.js";
import { t } from "./words.js";

/** `{element, open(contactId or null), end()}`. */
export function drawDesk(console) {
  const offers = drawOffers(console);
  const contacts = drawContactList(console);
  const middle = h("div", { class: "middle" });
  const element = h("main", { class: "desk" }, h("div", { class: "left" }, offers.element, contacts.element), middle);
  // Who looks at another contact would not see that one is back.
  const stopWatching = console.work.watch((event) => {
    if (event.reason === "resumed" && event.before?.state === "held" && event.contact.id !== opened && console.work.contacts.has(event.contact.id)) {
      notify(t("resumed-notice", { name: customerName(event.contact) }));
    }
  });
  let conversation = null;
  let opened;

  function open(contactId) {
    if (contactId === opened) return;
    opened = contactId;
    conversation?.end();
    conversation = contactId === null ? null : drawConversation(console, contactId);
    replace(middle, conversation?.element ?? h("p", { class: "empty" }, t("nothing-open")));
    // On a narrow page only one of the two is seen.
    element.dataset.showing = contactId === null ? "work" : "contact";
    console.work.look(contactId);
    contacts.mark(contactId);
    conversation?.focus();
  }

  return {
    element,
    open,
    end() {
      stopWatching();
      offers.end();
      contacts.end();
      conversation?.end();
      console.work.look(null);
    },
  };
}
