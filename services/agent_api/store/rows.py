"""The view's rows as the folding code holds them while it works on a batch. The fields are the tables' columns, by name.

They are mutable, because a batch changes them many times and writes them once. Only `view` and its parts change them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# What the columns of `agent_contacts.state` may hold. `abandoned` and `cancelled` end a contact without an agent's work.
OPEN_STATES = ("queued", "scheduled", "offered", "active", "held", "wrap_up")
AGENT_STATES = ("active", "held", "wrap_up")


@dataclass(slots=True, kw_only=True)
class QueueRow:
    """A queue of a pool, as the pool's newest configuration has it, and how fast the router said that it moves on."""

    pool: str
    queue: str
    skills: dict[str, int] = field(default_factory=dict)
    target_ms: int | None = None
    priority: int = 0
    offer_timeout_ms: int = 0
    wrap_up_ms: int = 0
    pull: bool = False
    active: bool = True
    changed: bool = False
    announced_ms: int = 0
    step_us: int | None = None
    patience_us: int | None = None
    opens_ms: int | None = None
    # Whether it is let run empty, and into which queue, if into any.
    drained: bool = False
    draining_to: str | None = None


@dataclass(slots=True, kw_only=True)
class AgentRow:
    """An agent, as the newest configuration of its pool has it, with its presence.

    `units`: how much all contacts together may use, None where they are not counted; `unit_costs`: by channel, what a contact uses while
    it is at hand or offered, and what it uses while it is held.
    """

    agent_id: str
    pool: str
    name: str
    role: str = "agent"
    skills: dict[str, int] = field(default_factory=dict)
    capacity: dict[str, int] = field(default_factory=dict)
    units: int | None = None
    unit_costs: dict[str, list[int]] | None = None
    active: bool = True
    presence: str = "offline"
    presence_ms: int = 0


@dataclass(slots=True, kw_only=True)
class ContactRow:
    """A contact. One that the view knows only by its id (its first facts are gone) has empty texts."""

    contact_id: str
    pool: str
    queue: str = ""
    channel: str = ""
    account: str = ""
    thread_id: str = ""
    handle: str = ""
    customer_id: str | None = None
    state: str = "queued"
    agent_id: str | None = None
    offer_id: str | None = None
    offered_to: str | None = None
    priority: int = 0
    skills: dict[str, int] = field(default_factory=dict)
    subject: str | None = None
    preview: str = ""
    language: str | None = None
    received_ms: int = 0
    due_ms: int = 0
    queued_ms: int = 0
    assigned_ms: int | None = None
    answered_ms: int | None = None
    answered_by: str | None = None
    wrap_up_until_ms: int | None = None
    resolved_ms: int | None = None
    disposition: str | None = None
    summary: str | None = None
    transfers: int = 0
    # Who looks at it besides its agent; None while nobody does, so that an index finds the others.
    consults: list[str] | None = None
    # Where not empty, all the skills of one of these are asked for, instead of `skills`.
    alternatives: list[dict[str, int]] | None = None
    # Why somebody should look at it (`reason`, and how many `agents` are behind it); stays once it was said.
    flag: dict[str, Any] | None = None
    # How the customer is called back: `handle`, `not_before_ms`, `attempts`; None: the contact is no callback.
    callback: dict[str, Any] | None = None
    # Whether it became one before anybody had answered: the customer waited for a call.
    called_back: bool = False
    # The contact whose call serves this one, too.
    merged_into: str | None = None
    # While it is abandoned: until when its customer finds it again.
    resumable_until_ms: int | None = None


@dataclass(slots=True, kw_only=True)
class OfferRow:
    """An offer: open, accepted, rejected, expired or withdrawn."""

    offer_id: str
    contact_id: str
    agent_id: str
    pool: str
    state: str
    made_ms: int
    expires_ms: int
    reason: dict[str, Any]
    closed_ms: int | None = None


@dataclass(slots=True, kw_only=True)
class MessageRow:
    """A message in (`direction` in, status received) or out (queued, sent, delivered, read, failed)."""

    message_id: str
    direction: str
    at_ms: int
    entry_id: str
    status: str
    contact_id: str | None = None
    thread_id: str = ""
    account: str = ""
    channel: str = ""
    handle: str = ""
    handles: list[str] = field(default_factory=list)
    name: str | None = None
    agent_id: str | None = None
    subject: str | None = None
    text: str = ""
    language: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    automatic: bool = False
    email_message_id: str | None = None
    email_references: list[str] = field(default_factory=list)
    failure: str | None = None
    provider_id: str | None = None
    content_known: bool = False


@dataclass(slots=True, kw_only=True)
class AttachmentRow:
    """An attachment stands in a message; the same bytes may stand in several."""

    attachment_id: str
    message_id: str


@dataclass(slots=True, kw_only=True)
class ReceiptRow:
    """What a provider said about a message that we do not know by its id yet."""

    account: str
    provider_id: str
    status: str
    at_ms: int
    failure: str | None = None


@dataclass(slots=True, kw_only=True)
class NoteRow:
    """A note; it counts (`added`) once the router has put it into the contact's history."""

    note_id: str
    contact_id: str
    agent_id: str
    text: str
    at_ms: int
    added: bool = False


@dataclass(slots=True, kw_only=True)
class CustomerRow:
    """A customer's card. `search`: name and handles in lower case, one a line."""

    customer_id: str
    name: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    first_seen_ms: int = 0
    last_seen_ms: int = 0
    search: str = ""


@dataclass(slots=True, kw_only=True)
class HandleRow:
    """A handle is on one card. `bounced`: why nothing gets there any more."""

    handle: str
    customer_id: str
    first_seen_ms: int
    bounced: str | None = None


@dataclass(slots=True, kw_only=True)
class TimelineRow:
    """An entry in a contact's history."""

    entry_id: str
    contact_id: str
    at_ms: int
    type: str
    agent_id: str | None = None
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class FrameRow:
    """A frame of the stream, for the agent (where there is one) and the supervisors of the pool. `body` is JSON text."""

    seq: int
    pool: str
    agent_id: str | None
    type: str
    at_ms: int
    body: str


@dataclass(slots=True, kw_only=True)
class CommandRow:
    """A command and what became of it: pending, done or refused. `answer` is what its caller is shown."""

    command_id: str
    principal: str
    kind: str
    asked_ms: int
    digest: str | None = None
    state: str = "pending"
    reason: str | None = None
    detail: str | None = None
    answer: dict[str, Any] | None = None
    decided_ms: int | None = None
