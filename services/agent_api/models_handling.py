"""The shapes of the public contract for what is done with contacts besides answering and resolving them. As `models`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from services.agent_api.models import Contact, NonEmptyText, Request, ShortText

Skill = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Level = Annotated[int, Field(ge=1, le=5)]
Skills = Annotated[dict[Skill, Level], Field(max_length=32)]


class TransferRequest(Request):
    """Where the contact goes: another queue, whoever has these skills, or this agent, who alone is offered it for a minute. An
    agent who lacks skills is offered it once.

    `note`: for whoever takes it.
    """

    queue: ShortText | None = None
    agent: ShortText | None = None
    skills: Skills | None = None
    note: NonEmptyText | None = None

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if self.queue is None and self.agent is None and self.skills is None:
            raise PydanticCustomError("transfer", "names a queue, an agent or skills")
        return self


class AssignRequest(Request):
    """Whom to give the contact to."""

    agent: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ConsultRequest(Request):
    """Whom to ask to look at the contact."""

    agent: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ChangeRequest(Request):
    """What is to be different; what is not named stays. `skills` are all that is asked for on top of the queue's."""

    priority: Annotated[int, Field(ge=-10, le=10)] | None = None
    skills: Skills | None = None
    queue: ShortText | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.priority is None and self.skills is None and self.queue is None:
            raise PydanticCustomError("change", "names a priority, skills or a queue")
        return self


class CancelRequest(Request):
    """Why nobody has to answer."""

    reason: ShortText | None = None


class CallbackRequest(Request):
    """Where to call the customer (a number by E.164; none: where the contact came from), and from when on; none: as soon as may be."""

    handle: Annotated[str, StringConstraints(pattern=r"^tel:\+[1-9][0-9]{4,14}$")] | None = None
    not_before: AwareDatetime | None = None


class DrainRequest(Request):
    """Where the queue's contacts go; none: new ones to the pool's default queue, and those that wait stay."""

    to: ShortText | None = None


class ExtendRequest(Request):
    """How much longer the agent needs to finish up."""

    by_ms: Annotated[int, Field(ge=1, le=86_400_000)]


class TransferredContact(Contact):
    """The contact, and what is to be minded: `skills-missing` where the agent who was named lacks skills that it asks for. He is offered it
    once; when he declines, it goes to somebody who has them.
    """

    warnings: list[Literal["skills-missing"]]


class AssignedContact(Contact):
    """The contact, and what is to be minded: `over-capacity` where the agent has more in hand now than capacity says."""

    warnings: list[Literal["over-capacity"]]
