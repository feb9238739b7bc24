"""What an explanation looks like, for the OpenAPI document. The router makes it; see `services.router.explain_document` for its side."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from services.agent_api.models import Time


class Blocker(BaseModel):
    """One thing between an agent and a contact: `removed`, `presence`, `skill`, `level`, `capacity`, `declined` ...

    `subject`: the skill, channel or presence that it is about; `until`: when it is over by itself.
    """

    obstacle: str
    subject: str | None = None
    asked: int | None = None
    has: int | None = None
    until: Time | None = None


class Candidate(BaseModel):
    """An agent as he stood. `place`: in the order of choice, from 1, for those who could have had the contact."""

    agent_id: str
    in_hand: int
    idle_since: Time | None
    place: int | None = None
    blockers: list[Blocker] = []


class Standing(BaseModel):
    """Who could take the contact, in the order of choice, and who could not, with the least lacking first.

    Both lists are cut; the totals and `obstacles` (how many agents have each) count all.
    """

    candidates: list[Candidate]
    candidates_total: int
    left_out: list[Candidate]
    left_out_total: int
    obstacles: dict[str, int]


class _Decision(BaseModel):
    at: Time
    policy_version: str | None
    queue: str
    channel: str
    skills: dict[str, int]
    due_at: Time
    waited_ms: int
    standing: Standing
    any_of: list[dict[str, int]]
    relaxed: int


class OfferExplanation(_Decision):
    """Why an offer was made as it was. `overtaken`: contacts with an earlier place that waited on, because nobody could take them.

    It asked for `skills` in any case, and where there is `any_of`, for all of at least one of these. `relaxed`: how many steps of
    relaxation that was after.
    """

    offer_id: str
    agent_id: str
    strategy: str
    overtaken: int


class NextOverflow(BaseModel):
    """Where the contact goes on to if it still waits at `at`: a queue, a pool, a callback, a message to the customer, or its end."""

    at: str
    when: str
    to: str
    at_least: int = 0
    target: str | None = None


class NextRelaxation(BaseModel):
    """What the contact comes to ask for if it still waits at `at`, by this step of its queue's relaxation."""

    at: Time
    step: int
    skills: dict[str, int]
    any_of: list[dict[str, int]]


class WaitingExplanation(_Decision):
    """Why the contact waits. `would_help`: by agent, the one thing that he lacks. `drained`: its queue takes nothing new.
    `expected_wait_ms`: null where nobody knows. `any_of` and `relaxed` as of an offer.
    """

    ahead_in_queue: int
    ahead_in_pool: int
    would_help: dict[str, Blocker]
    drained: bool
    relaxation: NextRelaxation | None = None
    overflow: NextOverflow | None = None
    expected_wait_ms: int | None = None


class HistoryEntry(BaseModel):
    """One thing that happened, with where it stands on the log."""

    at: Time
    type: str
    input_offset: int
    output_offset: int
    details: dict[str, Any] = {}


class Explanation(BaseModel):
    """Everything that was decided about a contact, and why.

    `complete` is false where the log no longer holds its beginning; `state` is null once the contact has left the pool.
    """

    contact_id: str
    pool: str | None
    partition: int
    complete: bool
    state: str | None
    at: Time | None
    history: list[HistoryEntry]
    offers: list[OfferExplanation]
    waiting: WaitingExplanation | None
