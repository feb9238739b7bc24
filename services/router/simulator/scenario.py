"""A scenario as a user writes it: who comes, how long things take, who works when. Read from YAML; every mistake is told with its place.

Checks and holds. `scenario_plan` turns it into a plan.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from libs.common.configuration.calendars import DAYS, TimeZone, WeeklyHours, parse_days, parse_span
from libs.common.configuration.duration_types import DurationMs, LongerDurationMs
from libs.common.configuration.load import read_text
from libs.common.configuration.messages import message_of_detail, place_of_detail
from libs.common.configuration.models import (
    FROM_FILE,
    ChannelName,
    Level,
    Name,
    Priority,
    Room,
    Text,
)
from libs.common.configuration.places import Document, Step
from libs.common.configuration.problems import ConfigurationInvalidError, ConfigurationProblem, suggest
from services.router.simulator.distributions import Distribution, Exponential, Fixed, LogNormal, Observed

_WHOLE_DAY: Final = "00:00-24:00"

Curve = dict[str, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Spread(_Part):
    """Mean and standard deviation."""

    mean: LongerDurationMs
    sd: DurationMs


class Length(_Part):
    """How long something takes: exactly one of these."""

    fixed: DurationMs | None = None
    exponential: DurationMs | None = None
    lognormal: Spread | None = None
    observed: Annotated[tuple[DurationMs, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Length:
        if sum(value is not None for value in (self.fixed, self.exponential, self.lognormal, self.observed)) != 1:
            raise PydanticCustomError("length", "must have one of fixed, exponential, lognormal and observed")
        return self

    def distribution(self) -> Distribution:
        """As the simulation draws from it."""
        if self.exponential is not None:
            return Exponential(float(self.exponential))
        if self.lognormal is not None:
            return LogNormal(float(self.lognormal.mean), float(self.lognormal.sd))
        if self.observed is not None:
            return Observed(self.observed)
        assert self.fixed is not None, "one of the four is given"
        return Fixed(self.fixed)


def _curve(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {_WHOLE_DAY: value}
    return value


def _in_order(curve: Curve) -> Curve:
    spans = []
    for text, rate in curve.items():
        try:
            spans.append(parse_span(text))
        except ValueError as error:
            raise PydanticCustomError("span", "{text}: {words}", {"text": text, "words": str(error)}) from error
        if rate < 0:
            raise PydanticCustomError("rate", "{text}: must be at least 0", {"text": text})
    spans.sort(key=lambda span: span.from_minute)
    if any(later.from_minute < earlier.to_minute for earlier, later in itertools.pairwise(spans)):
        raise PydanticCustomError("span", "the hours overlap")
    return curve


def _weekdays(factors: dict[str, float]) -> dict[str, float]:
    for days, factor in factors.items():
        try:
            parse_days(days)
        except ValueError as error:
            raise PydanticCustomError("days", "{days}: {words}", {"days": days, "words": str(error)}) from error
        if factor < 0:
            raise PydanticCustomError("rate", "{days}: must be at least 0", {"days": days})
    return factors


def _day(value: object) -> object:
    try:
        return datetime.date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as error:
        raise PydanticCustomError("day", "must be a day such as 2026-03-02") from error


PerHour = Annotated[Curve, BeforeValidator(_curve), AfterValidator(_in_order)]
WeekdayFactors = Annotated[dict[str, float], AfterValidator(_weekdays)]
Share = Annotated[float, Field(ge=0, le=1)]


class Contacts(_Part):
    """Contacts of one kind. `per_hour`: by hours of the day, 0 in all others; `weekdays` multiplies it on some days.

    `handling` is from the moment in which somebody has the contact to the end of the conversation; `patience` None: nobody leaves.
    `wrap_up` None: as long as the queue gives.
    """

    queue: Name
    channel: ChannelName
    per_hour: PerHour
    weekdays: WeekdayFactors = {}
    handling: Length
    patience: Length | None = None
    wrap_up: Length | None = None
    skills: dict[Name, Level] = {}
    priority: Priority | None = None

    def factor(self, weekday: int) -> float:
        """What the rates are multiplied with on this day of the week, Monday 0."""
        return next((factor for days, factor in self.weekdays.items() if weekday in parse_days(days)), 1.0)


class Answers(_Part):
    """How agents answer offers. `back`: how soon one who let too many run out, and gets no more for it, says that he is there."""

    after: Length = Length(fixed=0)
    declined: Share = 0.0
    ignored: Share = 0.0
    back: LongerDurationMs = 5 * 60_000


class Staff(_Part):
    """People with the same shifts: agents of the configuration by name, or `count` more, all alike, whom it does not have."""

    agents: tuple[Name, ...] = ()
    name: Name | None = None
    count: Annotated[int, Field(strict=True, ge=0, le=10_000)] | None = None
    skills: dict[Name, Level] = {}
    capacity: dict[ChannelName, Room] = {}
    shifts: WeeklyHours

    @model_validator(mode="after")
    def _is_one(self) -> Staff:
        if bool(self.agents) == (self.name is not None):
            raise PydanticCustomError("staff", "must have either agents, or name and count")
        if (self.name is None) != (self.count is None):
            raise PydanticCustomError("staff", "must have name and count together")
        if self.agents and (self.skills or self.capacity):
            raise PydanticCustomError("staff", "skills and capacity of agents stand in the configuration")
        return self


class Promise(_Part):
    """What staffing must keep: this share of a queue's contacts within its target (`within`: within that instead)."""

    share: Annotated[float, Field(gt=0, lt=1)] = 0.8
    within: LongerDurationMs | None = None


class Scenario(_Part):
    """Everything in the file. `configuration` is a path as seen from the file; `promises` by queue, for staffing."""

    configuration: Text
    pool: Name | None = None
    timezone: TimeZone | None = None
    start: Annotated[datetime.date, BeforeValidator(_day)]
    days: Annotated[int, Field(strict=True, ge=1, le=366)] = 1
    contacts: Annotated[tuple[Contacts, ...], Field(min_length=1)]
    answers: Answers = Answers()
    staff: tuple[Staff, ...] = ()
    promises: dict[Name, Promise] = {}
    interval: LongerDurationMs = 30 * 60_000


def load_scenario(path: Path) -> Scenario:
    """The scenario in a file. Raises ConfigurationInvalidError with every mistake and its place."""
    return parse_scenario(read_text(path), str(path))


def parse_scenario(text: str, name: str = "scenario.yaml") -> Scenario:
    """The scenario in a text; `name` is what messages call the file. Raises ConfigurationInvalidError."""
    document = Document(text)
    problems = [
        _problem(name, document, found.path, found.message, place=(found.place.line, found.place.column))
        for found in document.findings
    ]
    scenario: Scenario | None = None
    if document.readable:
        try:
            scenario = Scenario.model_validate(document.data, context=FROM_FILE)
        except ValidationError as error:
            # A list of which every part is wrong would count as empty, too.
            problems += [
                _told(name, document, detail)
                for detail in error.errors(include_url=False)
                if detail["type"] != "too_short" or not detail["input"]
            ]
    if scenario is None or problems:
        raise ConfigurationInvalidError(tuple(sorted(set(problems))))
    return scenario


def _told(name: str, document: Document, detail: ErrorDetails) -> ConfigurationProblem:
    path, on_key = place_of_detail(detail, document)
    if detail["type"] == "extra_forbidden":
        message = f"unknown key{suggest(str(path[-1]), _keys())}"
    elif detail["type"] in ("float_type", "float_parsing"):
        message = "must be a number"
    else:
        message = message_of_detail(detail, path, document)
    found = document.place_of_key(path) if on_key else document.place_of(path)
    return _problem(name, document, path, message, place=(found.line, found.column))


def _keys() -> list[str]:
    schema: Mapping[str, Any] = Scenario.model_json_schema()
    models = [schema, *schema["$defs"].values()]
    return sorted({key for model in models for key in model.get("properties", {})})


def _problem(
    name: str, document: Document, path: tuple[Step, ...], message: str, *, place: tuple[int, int]
) -> ConfigurationProblem:
    written = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    return ConfigurationProblem(file=name, line=place[0], column=place[1], path=written, message=message)


def weekday_name(day: datetime.date) -> str:
    """`mon` and so on."""
    return DAYS[day.weekday()]
