// The list of the agent's contacts. Called by the desk.

import { everySecond, nowMs } from "./clock.js";
import { h, keep, replace, say } from "./dom.js";
import { channelIcon, channelName, customerName, stateName, subjectOf } from "./labels.js";
import { formatDuration, t } from "./words.js";

/** `{element, mark(contactId), end()}`. */
export function drawContactList({ work }) {
  const list = h("ul", { class: "contacts" });
  const count = h("span", { class: "count" });
  const empty = h("p", { class: "empty" }, t("no-contacts"));
  const heading = h("h2", { id: "contacts-heading" }, t("my-contacts"), count);
  const element = h("section", { class: "panel", "aria-labelledby": "contacts-heading" }, heading, list, empty);
  let marked = null;

  function show() {
    const contacts = [...work.contacts.values()].sort((one, other) => other.assigned_at.localeCompare(one.assigned_at));
    say(count, contacts.length > 0 ? String(contacts.length) : "");
    empty.hidden = contacts.length > 0;
    keep(list, contacts, (contact) => contact.id, () => h("li"), (item, contact) => {
      if (item.firstChild === null) item.append(h("a", { href: `#/contact/${encodeURIComponent(contact.id)}` }));
      fillEntry(item.firstChild, contact);
    });
  }

  function fillEntry(link, contact) {
    const unseen = work.unseen.get(contact.id) ?? 0;
    if (contact.id === marked) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    const facts = JSON.stringify([contact, unseen]);
    if (link.dataset.facts === facts) return;
    link.dataset.facts = facts;
    replace(
      link,
      h(
        "span",
        { class: "first" },
        h("span", { class: "light", data: { light: contact.light }, title: stateName(contact.state) }),
        h("span", { class: "unseen" }, `${stateName(contact.state)}, ${channelName(contact.channel)}: `),
        h("span", { class: "name" }, customerName(contact)),
        unseen > 0 && h("span", { class: "badge", title: t("unseen", { count: unseen }) }, unseen, h("span", { class: "unseen" }, ` ${t("unseen-word")}`)),
        h("time", { class: "since muted", datetime: contact.assigned_at }),
      ),
      h("span", { class: "second" }, h("span", { class: "muted", title: channelName(contact.channel) }, channelIcon(contact.channel)), h("span", { class: "cut" }, subjectOf(contact))),
    );
    tell(link.querySelector("time"));
  }

  function tell(time) {
    say(time, formatDuration(nowMs() - Date.parse(time.dateTime)));
  }

  const stopWatching = work.watch(show);
  const stopTicking = everySecond(() => list.querySelectorAll("time").forEach(tell));
  show();
  return {
    element,
    mark(contactId) {
      marked = contactId;
      show();
    },
    end() {
      stopWatching();
      stopTicking();
    },
  };
}
