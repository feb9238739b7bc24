// The agent's own work as the server tells it: presence, offers, contacts. It is folded from frames and decides nothing; the only thing
// of its own is which messages were not seen yet. Views read it and are told when it changes. Called by main (frames) and by views.

const HELD = new Set(["active", "held", "wrap_up"]);
const UNSEEN_KEY = "centralino.unseen";

export class Work {
  /** Of this agent. */
  constructor(agent) {
    this.agent = agent;
    this.presence = null;
    this.offers = new Map();
    this.contacts = new Map();
    this.consults = new Map();
    this.unseen = readUnseen(agent);
    this.listeners = new Set();
    this.openContact = null;
  }

  /** Call `listener(event)` after every change: `{type, offer?, contact?, reason?}`, `type` being what happened, or "changed". */
  watch(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  tell(event) {
    for (const listener of [...this.listeners]) listener(event);
  }

  /** Take one frame in. Frames of unknown types change nothing. */
  apply(frame) {
    const fold = FOLDS[frame.type];
    if (fold) this.tell(fold(this, frame) ?? { type: "changed" });
  }

  /**
   * A command's answer: the contact as it stood then. It may come before or after the frame that says the same, and after the one that
   * offers the contact again: what is offered is told by frames alone.
   */
  applyContact(contact) {
    place(this, contact);
    this.tell({ type: "changed" });
  }

  /** The server refused this offer for good. */
  dropOffer(offerId) {
    if (this.offers.delete(offerId)) this.tell({ type: "changed" });
  }

  /** The presence as a command's answer says it. */
  applyPresence(presence) {
    this.presence = presence;
    this.tell({ type: "changed" });
  }

  /** The contact that is looked at, or null: its messages are seen. */
  look(contactId) {
    this.openContact = contactId;
    this.markSeen();
  }

  markSeen() {
    if (this.openContact === null || document.visibilityState === "hidden") return;
    if (this.unseen.delete(this.openContact)) {
      this.saveUnseen();
      this.tell({ type: "changed" });
    }
  }

  addUnseen(contactId) {
    this.unseen.set(contactId, (this.unseen.get(contactId) ?? 0) + 1);
    this.saveUnseen();
  }

  saveUnseen() {
    sessionStorage.setItem(UNSEEN_KEY, JSON.stringify([this.agent, [...this.unseen]]));
  }

  /** The contact as this agent's work or offers know it. */
  find(contactId) {
    return this.contacts.get(contactId) ?? this.consults.get(contactId) ?? [...this.offers.values()].find((offer) => offer.contact.id === contactId)?.contact;
  }
}

function readUnseen(agent) {
  try {
    const [owner, entries] = JSON.parse(sessionStorage.getItem(UNSEEN_KEY)) ?? [];
    return new Map(owner === agent ? entries : []);
  } catch {
    return new Map();
  }
}

/** Put a contact where it stands: among this agent's, among those that the agent was asked to look at, or nowhere. Offers stay as they are. */
function place(work, contact) {
  if (contact.agent !== work.agent && contact.consults.includes(work.agent)) work.consults.set(contact.id, contact);
  else work.consults.delete(contact.id);
  if (contact.agent === work.agent && HELD.has(contact.state)) {
    work.contacts.set(contact.id, contact);
  } else {
    work.contacts.delete(contact.id);
    if (work.unseen.delete(contact.id)) work.saveUnseen();
  }
}

/** Show what is offered as the contact stands; where it is not offered any more, there is no offer. */
function placeOffers(work, contact) {
  for (const offer of work.offers.values()) {
    if (offer.contact.id !== contact.id) continue;
    if (contact.state === "offered") work.offers.set(offer.id, { ...offer, contact });
    else work.offers.delete(offer.id);
  }
}

/** Everything anew. */
function restart(work, snapshot) {
  work.presence = snapshot.presence;
  work.offers = new Map(snapshot.offers.map((offer) => [offer.id, offer]));
  work.contacts = new Map(snapshot.contacts.map((contact) => [contact.id, contact]));
  work.consults = new Map(snapshot.consults.map((contact) => [contact.id, contact]));
  for (const id of work.unseen.keys()) if (!work.contacts.has(id)) work.unseen.delete(id);
  work.saveUnseen();
}

function closeOffer(work, frame) {
  const offer = work.offers.get(frame.offer.id);
  if (!offer) return undefined;
  work.offers.delete(offer.id);
  return { type: frame.type, offer, reason: frame.offer.cause };
}

function placeFromFrame(work, frame) {
  const before = work.find(frame.contact.id);
  place(work, frame.contact);
  placeOffers(work, frame.contact);
  return { type: frame.type, contact: frame.contact, before, reason: frame.change ?? frame.reason };
}

// Supervisors hear of everybody's work: what is another agent's must not become this one's.
const FOLDS = {
  hello(work, frame) {
    // A resumed stream sends what was missed, in order: the state that is here already grows into the true one. A snapshot on top of it
    // would be newer than the frames that follow.
    if (!frame.resumed || work.presence === null) restart(work, frame.work);
    return { type: "hello", reason: frame.resumed ? "resumed" : "anew" };
  },
  "offer.made"(work, frame) {
    if (frame.offer.agent !== work.agent) return undefined;
    const offer = { ...frame.offer, made_at: frame.at };
    work.offers.set(offer.id, offer);
    return { type: "offer.made", offer };
  },
  "offer.expired": closeOffer,
  "offer.withdrawn": closeOffer,
  "contact.assigned": placeFromFrame,
  "contact.updated": placeFromFrame,
  "contact.resolved": placeFromFrame,
  "message.received"(work, frame) {
    const event = placeFromFrame(work, frame);
    if (work.contacts.has(frame.contact.id)) {
      work.addUnseen(frame.contact.id);
      work.markSeen();
    }
    return { ...event, message: frame.message };
  },
  "message.sent": placeFromFrame,
  "message.failed": placeFromFrame,
  "presence.changed"(work, frame) {
    if (frame.agent === work.agent) work.presence = frame.presence;
    return { type: "presence.changed" };
  },
};
