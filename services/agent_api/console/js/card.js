// The customer of the open contact: name, addresses, what is known, and every contact with its light. Called by the conversation.

import { get, Problem } from "./api.js";
import { h, replace } from "./dom.js";
import { addressOf, channelIcon, channelName, explainProblem, explainReason, stateName, subjectOf } from "./labels.js";
import { formatTime, t } from "./words.js";

/** `{element, show(contact)}`: reads the card of the contact's customer. */
export function drawCard(openId) {
  const body = h("div");
  const element = h("section", { class: "panel customer", "aria-labelledby": "customer-heading" }, h("h2", { id: "customer-heading" }, t("customer")), body);
  return {
    element,
    async show(contact) {
      const { id, name, handle } = contact.customer;
      if (id === null) {
        replace(body, h("p", { class: "name" }, name || addressOf(handle)), h("p", {}, addressOf(handle)));
        return;
      }
      try {
        draw(body, await get(`/v1/customers/${encodeURIComponent(id)}`), openId);
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        replace(body, h("p", { class: "muted" }, explainProblem(problem)));
      }
    },
  };
}

function draw(body, customer, openId) {
  const facts = JSON.stringify(customer);
  if (body.dataset.facts === facts) return;
  body.dataset.facts = facts;
  const attributes = Object.entries(customer.attributes);
  replace(
    body,
    h("p", { class: "name" }, customer.name || t("no-name")),
    h(
      "ul",
      { class: "handles" },
      customer.handles.map(({ handle, bounced }) =>
        h("li", { title: handle }, addressOf(handle), bounced && h("span", { class: "failure" }, ` ${t("bounced", { reason: explainReason(bounced) })}`)),
      ),
    ),
    attributes.length > 0 && h("dl", { class: "attributes" }, attributes.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    h("h3", {}, t("customer-contacts"), h("span", { class: "count" }, customer.contacts.length)),
    h("ul", { class: "contacts" }, customer.contacts.map((contact) => h("li", {}, drawLink(contact, openId)))),
  );
}

function drawLink(contact, openId) {
  return h(
    "a",
    { href: `#/contact/${encodeURIComponent(contact.id)}`, "aria-current": contact.id === openId ? "true" : null },
    h(
      "span",
      { class: "first" },
      h("span", { class: "light", data: { light: contact.light }, title: stateName(contact.state) }),
      h("span", { class: "unseen" }, `${stateName(contact.state)}, ${channelName(contact.channel)}: `),
      h("span", { class: "name" }, subjectOf(contact)),
    ),
    h("span", { class: "second muted" }, channelIcon(contact.channel), formatTime(contact.received_at), contact.disposition ? ` · ${contact.disposition}` : ` · ${stateName(contact.state)}`),
  );
}
