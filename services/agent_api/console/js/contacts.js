// The agent's contacts: those in hand, those on hold, and those of others that the agent was asked to look at. Called by the desk.

import { everySecond, nowMs } from "./clock.js";
import { h, keep, replace, say } from "./dom.js";
import { channelIcon, channelName, customerName, stateName, subjectOf } from "./labels.js";
import { formatCountdown, formatDuration, t } from "./words.js";

/** `{element, mark(contactId), end()}`. */
export function drawContactList({ work, directory }) {
  const groups = [
    drawGroup("my-contacts", t("no-contacts"), () => mine((contact) => contact.state !== "held")),
    drawGroup("held-contacts", null, () => mine((contact) => contact.state === "held")),
    drawGroup("consulted-contacts", null, () => byTime([...work.consults.values()])),
  ];
  const element = h("div", { class: "lists" }, groups.map((group) => group.element));
  let marked = null;

  function mine(belongs) {
    return byTime([...work.contacts.values()].filter(belongs));
  }

  function show() {
    for (const group of groups) group.show(fillEntry);
  }

  function fillEntry(link, contact) {
    const unseen = work.unseen.get(contact.id) ?? 0;
    if (contact.id === marked) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    const asker = contact.agent === work.agent ? null : directory.name(contact.agent);
    const facts = JSON.stringify([contact, unseen, asker]);
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
        h("time", { class: "since muted", datetime: contact.assigned_at ?? contact.queued_at, data: contact.wrap_up_until ? { until: contact.wrap_up_until } : {} }),
      ),
      h(
        "span",
        { class: "second" },
        h("span", { class: "muted", title: channelName(contact.channel) }, channelIcon(contact.channel)),
        asker && h("span", { class: "muted" }, t("consult-by", { name: asker })),
        h("span", { class: "cut" }, subjectOf(contact)),
      ),
    );
    tell(link.querySelector("time"));
  }

  function tell(time) {
    const { until } = time.dataset;
    say(time, until ? t("wrap-up-left", { time: formatCountdown(Date.parse(until) - nowMs()) }) : formatDuration(nowMs() - Date.parse(time.dateTime)));
  }

  const stops = [work.watch(show), directory.watch(show), everySecond(() => element.querySelectorAll("time").forEach(tell))];
  show();
  return {
    element,
    mark(contactId) {
      marked = contactId;
      show();
    },
    end() {
      for (const stop of stops) stop();
    },
  };
}

function byTime(contacts) {
  const time = (contact) => contact.assigned_at ?? contact.queued_at;
  return contacts.sort((one, other) => time(other).localeCompare(time(one)));
}

/** A list with a heading. Without a sentence for when it is empty it is not shown then. */
function drawGroup(name, emptyText, select) {
  const list = h("ul", { class: "contacts" });
  const count = h("span", { class: "count" });
  const empty = emptyText && h("p", { class: "empty" }, emptyText);
  const heading = h("h2", { id: `${name}-heading` }, t(name), count);
  const element = h("section", { class: "panel", "aria-labelledby": heading.id }, heading, list, empty);
  return {
    element,
    show(fillEntry) {
      const contacts = select();
      say(count, contacts.length > 0 ? String(contacts.length) : "");
      if (empty) empty.hidden = contacts.length > 0;
      else element.hidden = contacts.length === 0;
      keep(list, contacts, (contact) => contact.id, () => h("li"), (item, contact) => {
        if (item.firstChild === null) item.append(h("a", { href: `#/contact/${encodeURIComponent(contact.id)}` }));
        fillEntry(item.firstChild, contact);
      });
    },
  };
}
