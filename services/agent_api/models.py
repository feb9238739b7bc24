"""The shapes of the public contract: what requests may hold and what answers hold. Only here is pydantic used in this service.

They describe the answers in the OpenAPI document and check what comes in; `presentation` makes the answers themselves.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from services.agent_api.credentials import PASSWORD_CHARS_MAX

# Already written as the contract writes times; parsing it only to write it again would drop zeros.
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
ShortText = Annotated[str, StringConstraints(max_length=200)]
NonEmptyText = Annotated[str, StringConstraints(min_length=1, max_length=20_000, strip_whitespace=True)]
Presence = Literal["available", "busy", "break", "offline"]
State = Literal[
    "queued", "scheduled", "offered", "active", "held", "wrap_up", "resolved", "abandoned", "cancelled", "merged"
]
Item = TypeVar("Item")


class Request(BaseModel):
    """What comes in: unknown members are mistakes."""

    model_config = ConfigDict(extra="forbid")


class SessionRequest(Request):
    """Sign in."""

    agent_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=PASSWORD_CHARS_MAX)]


class PresenceRequest(Request):
    """The presence to have from now on."""

    status: Presence


class RejectRequest(Request):
    """Why the offer is declined."""

    reason: ShortText | None = None


class ResolveRequest(Request):
    """How the contact ended. `follow_up`: whether the customer may be asked afterwards."""

    disposition: ShortText | None = None
    summary: Annotated[str, StringConstraints(max_length=5_000)] | None = None
    follow_up: bool = True


class NoteRequest(Request):
    """An internal note."""

    text: NonEmptyText


class AttachmentRequest(Request):
    """A file to send with a reply."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    content_type: Annotated[str, StringConstraints(pattern=r"^[\w.+-]+/[\w.+-]+$", max_length=100)] = (
        "application/octet-stream"
    )
    content_base64: str


class MessageRequest(Request):
    """A reply on the contact's own channel."""

    text: Annotated[str, StringConstraints(max_length=100_000)] = ""
    attachments: Annotated[list[AttachmentRequest], Field(max_length=10)] = []


class Page(BaseModel, Generic[Item]):
    """A page of a list; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None


class Session(BaseModel):
    """A bearer token."""

    token: str
    expires_at: Time


class Me(BaseModel):
    """The agent who asks."""

    id: str
    name: str
    role: Literal["agent", "supervisor", "admin"]
    pool: str | None
    presence: str
    capacity: dict[str, int]
    skills: dict[str, int]


class AgentPresence(BaseModel):
    """An agent's presence."""

    agent: str
    presence: str
    since: Time


class ContactCustomer(BaseModel):
    """Whose contact it is, and by which handle."""

    id: str | None
    name: str | None
    handle: str


class ContactFlag(BaseModel):
    """Why somebody should look at a contact: `declined` by so many different agents."""

    reason: str
    agents: int


class Callback(BaseModel):
    """The contact is worked on by calling its customer: the number, from when on, and how often nobody answered."""

    handle: str
    not_before: Time
    attempts: int


class Contact(BaseModel):
    """One piece of work for an agent. `alternatives`: where there are any, all the skills of one of them are asked for. `merged_into`: the
    contact whose call serves this one, too. `resumable_until`: its customer left, and finds it in its old place by writing before then.
    """

    id: str
    state: State
    light: Literal["red", "yellow", "green"]
    pool: str
    queue: str
    channel: str
    account: str
    customer: ContactCustomer
    agent: str | None
    priority: int
    skills: dict[str, int]
    alternatives: list[dict[str, int]]
    flag: ContactFlag | None
    subject: str | None
    preview: str
    language: str | None
    received_at: Time
    due_at: Time
    queued_at: Time
    assigned_at: Time | None
    wrap_up_until: Time | None
    resolved_at: Time | None
    disposition: str | None
    summary: str | None
    transfers: int
    consults: list[str]
    callback: Callback | None
    merged_into: str | None
    resumable_until: Time | None
    tags: list[str]
    satisfaction: int | None


class WaitingContact(Contact):
    """A contact, and while nobody has it and it is not offered: its place in its queue (1 is next) and how long it will probably wait.

    `expected_wait_ms` is null where nobody knows: too few have come to an agent after waiting there, or nobody is there.
    """

    position: int | None
    expected_wait_ms: int | None


class OfferReason(BaseModel):
    """Why this agent got this contact now."""

    model_config = ConfigDict(extra="allow")

    rank: int
    waited_ms: int
    strategy: str
    candidates: int
    candidates_more: bool = False
    left_out: dict[str, str] = {}


class Offer(BaseModel):
    """A contact that `agent` may take until `expires_at`. Supervisors hear of everybody's offers."""

    id: str
    agent: str
    contact: Contact
    expires_at: Time
    reason: OfferReason


class Work(BaseModel):
    """What an agent has to do, and the stream's cursor at that moment. `consults`: contacts of others to look at."""

    presence: str
    capacity: dict[str, int]
    offers: list[Offer]
    contacts: list[Contact]
    consults: list[Contact]
    cursor: str


class Attachment(BaseModel):
    """A file of a message."""

    id: str
    name: str
    content_type: str
    size_bytes: int | None
    url: str


class Message(BaseModel):
    """One utterance. `text` is null where its content could not be read."""

    id: str
    contact_id: str | None
    direction: Literal["in", "out"]
    at: Time
    handle: str
    name: str | None
    agent: str | None
    subject: str | None
    text: str | None
    language: str | None
    status: Literal["received", "queued", "sent", "delivered", "read", "failed"]
    failure: str | None
    automatic: bool
    attachments: list[Attachment]


class Note(BaseModel):
    """An internal note on a contact."""

    id: str
    contact_id: str
    agent: str
    at: Time
    text: str


class TimelineEntry(BaseModel):
    """A line of a contact's history."""

    id: str
    at: Time
    type: str
    agent: str | None
    data: dict[str, Any]


class Customer(BaseModel):
    """A customer in a list."""

    id: str
    name: str | None
    handles: list[str]
    first_seen_at: Time
    last_seen_at: Time


class Handle(BaseModel):
    """An address of a customer. `bounced`: why nothing gets there any more."""

    handle: str
    first_seen_at: Time
    bounced: str | None


class CustomerCard(BaseModel):
    """A customer with every contact."""

    id: str
    name: str | None
    handles: list[Handle]
    attributes: dict[str, str]
    first_seen_at: Time
    last_seen_at: Time
    contacts: list[Contact]


class Ticket(BaseModel):
    """Opens one stream, once, until `expires_at`."""

    ticket: str
    expires_at: Time


class CommandAccepted(BaseModel):
    """The router has not answered yet; `url` tells later."""

    id: str
    kind: str
    state: Literal["pending"]
    url: str


class Command(BaseModel):
    """A command and what became of it."""

    id: str
    kind: str
    state: Literal["pending", "done", "refused"]
    reason: str | None
    detail: str | None
    answer: dict[str, Any] | None


class ProblemField(BaseModel):
    """What is wrong with one field."""

    pointer: str | None = None
    loc: str | None = None
    detail: str


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: list[ProblemField] = []
