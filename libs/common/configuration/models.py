"""The configuration as the code holds it: frozen models of what stands in `centralino.yaml`, durations in milliseconds.

The keys in the file are the aliases (`target`), the attributes carry their unit (`target_ms`). Code may construct the models directly, by
attribute. A model checks its own fields; what parts say about one another `checks` checks. Nothing here reads a file or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from libs.common.configuration.calendars import Holidays, SpecialDays, TimeZone, WeeklyHours
from libs.common.configuration.callbacks import Callbacks
from libs.common.configuration.duration_types import (
    DURATION_SCHEMA,
    MINUTE_MS,
    DurationMs,
    LongerDurationMs,
    VanishMs,
    check_duration,
)
from libs.common.configuration.expressions import Expression
from libs.common.configuration.providers import provider_of
from libs.common.events.message import Channel

# How soon customers expect an answer, where the queue does not say.
CHANNEL_TARGETS_MS: Final[dict[str, int]] = {
    Channel.WEBCHAT.value: MINUTE_MS // 2,
    Channel.WHATSAPP.value: MINUTE_MS // 2,
    Channel.MESSENGER.value: MINUTE_MS // 2,
    Channel.INSTAGRAM.value: MINUTE_MS // 2,
    Channel.TELEGRAM.value: MINUTE_MS // 2,
    Channel.VOICE.value: 3 * MINUTE_MS,
    Channel.SMS.value: 15 * MINUTE_MS,
    Channel.EMAIL.value: 60 * MINUTE_MS,
    Channel.WEBFORM.value: 60 * MINUTE_MS,
    Channel.API.value: 60 * MINUTE_MS,
}

SKILL_LEVEL_MIN: Final = 1
SKILL_LEVEL_MAX: Final = 5
PRIORITY_MIN: Final = -10
PRIORITY_MAX: Final = 10
CAPACITY_MAX: Final = 100
UNITS_MAX: Final = 1_000_000
COUNT_MAX: Final = 1_000
DECLINES_MAX: Final = 60

# A wrap-up that lasts until the agent is done; in the file it is `manual`.
WRAP_UP_MANUAL_MS: Final = -1

# Validation of a file says so in its context: there a duration is a text, while code hands over milliseconds.
FROM_FILE: Final[Mapping[str, bool]] = {"from_file": True}


def _wrap_up(value: object, info: Any) -> object:
    return WRAP_UP_MANUAL_MS if value == "manual" else check_duration(value, info)


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _level(value: int) -> int:
    if not SKILL_LEVEL_MIN <= value <= SKILL_LEVEL_MAX:
        raise PydanticCustomError("level", f"must be {SKILL_LEVEL_MIN} to {SKILL_LEVEL_MAX}")
    return value


def _channel_name(value: str) -> str:
    if value not in CHANNEL_TARGETS_MS:
        raise PydanticCustomError("enum", "unknown channel", {"expected": ", ".join(CHANNEL_TARGETS_MS)})
    return value


def _amount(value: object, info: Any) -> object:
    """A number of contacts as it is, a duration in milliseconds; which of the two it must be depends on what it is for."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return check_duration(value, info)


OVERFLOWS_MAX: Final = 20
WrapUpMs = Annotated[
    int,
    BeforeValidator(_wrap_up),
    Field(ge=WRAP_UP_MANUAL_MS),
    WithJsonSchema({"anyOf": [DURATION_SCHEMA, {"type": "string", "const": "manual"}]}),
]
Amount = Annotated[
    int,
    BeforeValidator(_amount),
    Field(ge=1),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, DURATION_SCHEMA]}),
]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Level = Annotated[
    int,
    Field(strict=True),
    AfterValidator(_level),
    WithJsonSchema({"type": "integer", "minimum": SKILL_LEVEL_MIN, "maximum": SKILL_LEVEL_MAX}),
]
Priority = Annotated[int, Field(strict=True, ge=PRIORITY_MIN, le=PRIORITY_MAX)]
Room = Annotated[int, Field(strict=True, ge=0, le=CAPACITY_MAX)]
ANY_OF_MAX: Final = 8
AnyOf = Annotated[tuple[Annotated[dict[Name, Level], Field(min_length=1)], ...], Field(max_length=ANY_OF_MAX)]
Count = Annotated[int, Field(strict=True, ge=0, le=COUNT_MAX)]
Units = Annotated[int, Field(strict=True, ge=0, le=UNITS_MAX)]
Strategy = Literal["longest_idle", "least_loaded", "round_robin", "most_skilled", "least_skilled"]
Flag = Annotated[bool, Field(strict=True)]
ChannelName = Annotated[
    str, AfterValidator(_channel_name), WithJsonSchema({"type": "string", "enum": list(CHANNEL_TARGETS_MS)})
]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]

# Hours are written where they count, or name a calendar. The tags are for the validation alone and stand in no message.
WEEK_TAG: Final = "[week]"
NAMED_TAG: Final = "[named]"
# In place of a calendar's name: never closed, whatever the pool's hours are.
ALWAYS: Final = "always"


def _kind_of_hours(value: object) -> str:
    return NAMED_TAG if isinstance(value, str) else WEEK_TAG


Hours = Annotated[
    Annotated[WeeklyHours, Tag(WEEK_TAG)] | Annotated[Name, Tag(NAMED_TAG)], Discriminator(_kind_of_hours)
]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_one_or_more), Field(min_length=1)]
Languages = Annotated[tuple[Language, ...], BeforeValidator(_one_or_more), Field(min_length=1)]
Channels = Annotated[tuple[ChannelName, ...], BeforeValidator(_one_or_more), Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, str_strip_whitespace=True
    )


class PoolChannel(_Part):
    """What a pool does with contacts of one channel, where their queue does not say. None: as if the channel were not named.

    `units`: how much of an agent's units one contact uses. `excludes`: while an agent has contacts of one of these he gets none of this
    channel, and the other way round. `interrupts`: contacts of these keep none of this channel away. `hold_frees_room` None: a held
    contact leaves room for another, except on voice.
    """

    target_ms: LongerDurationMs | None = Field(default=None, alias="target")
    offer_timeout_ms: LongerDurationMs | None = Field(default=None, alias="offer_timeout")
    wrap_up_ms: WrapUpMs | None = Field(default=None, alias="wrap_up")
    units: Units = 0
    excludes: Annotated[tuple[ChannelName, ...], BeforeValidator(_one_or_more)] = ()
    interrupts: Annotated[tuple[ChannelName, ...], BeforeValidator(_one_or_more)] = ()
    hold_frees_room: Flag | None = None


class Routing(_Part):
    """A pool's rules that are of no queue. 0: never, or no limit.

    `not_responding_after`: offers in a row that an agent lets run out; `flag_after_declines`: agents who decline a contact.
    `transfers_max`: how often agents may pass one contact on. `transfer_back_ms`: for how long it does not come back to who passed it
    on. `abandoned_kept_ms`: for how long a customer who left keeps the place in the queue.
    """

    not_responding_after: Count = 3
    flag_after_declines: Annotated[int, Field(strict=True, ge=0, le=DECLINES_MAX)] = 3
    offers_open_max: Room = 0
    transfers_max: int = Field(default=10, strict=True, ge=0, le=1000)
    transfer_back_ms: DurationMs = Field(default=5 * MINUTE_MS, alias="transfer_back")
    abandoned_kept_ms: DurationMs = Field(default=15 * MINUTE_MS, alias="abandoned_kept")
    vanish_after_ms: VanishMs = Field(default=2 * MINUTE_MS, alias="vanish_after")


class Calendar(_Part):
    """Opening hours with a name, for pools, queues and shifts. `timezone` None: that of the pool that goes by it."""

    timezone: TimeZone | None = None
    hours: WeeklyHours
    holidays: Holidays = ()
    special: SpecialDays = {}


class Pool(_Part):
    """Queues and agents that are decided together. `channels`: what is particular to some of them.

    A pool without `hours` is always open. `holidays` are closed, days in `special` have their own hours; both go for the hours of the
    pool and those that its queues write themselves. `callback`: how customers are called back, where their queue does not say.
    """

    timezone: TimeZone = "UTC"
    hours: Hours | None = None
    holidays: Holidays = ()
    special: SpecialDays = {}
    channels: dict[ChannelName, PoolChannel] = {}
    routing: Routing = Routing()
    callback: Callbacks = Callbacks()


class Relaxation(_Part):
    """What contacts ask for less of after they have waited for a while. `widen`: another queue whose people may take them too."""

    after_ms: LongerDurationMs = Field(alias="after")
    drop: Annotated[tuple[Name, ...], BeforeValidator(_one_or_more)] = ()
    lower: dict[Name, Level] = {}
    widen: Name | None = None


class Overflow(_Part):
    """Where contacts of a queue go instead of waiting (on). `at_least`: waiting contacts, or milliseconds."""

    when: Literal["closed", "waiting", "expected_wait", "waited"]
    at_least: Amount | None = None
    to: Literal["queue", "pool", "callback", "message", "end"]
    target: Name | None = None
    text: dict[Literal["it", "en"], Text] = {}


class Queue(_Part):
    """Where contacts of one kind wait. `skills`: the least level that an agent must have. Times that are None are the channel's.

    `any_of`: besides `skills`, all of at least one of these. `strategy`: which of the agents who fit is offered a contact first. For
    `prefer_last_agent_ms` a contact is kept for the agent who had the customer's last one. `hours` None: the pool's. While the queue is
    closed its contacts wait and are offered to nobody, unless `offer_when_closed`. `pull`: agents may also take a waiting
    contact by themselves. `relax`: the steps in which those who wait ask for less. `overflow`: where they go instead; the first
    that holds counts. `callback` None: the pool's.
    """

    pool: Name
    skills: dict[Name, Level] = {}
    target_ms: LongerDurationMs | None = Field(default=None, alias="target")
    priority: Priority = 0
    offer_timeout_ms: LongerDurationMs | None = Field(default=None, alias="offer_timeout")
    wrap_up_ms: WrapUpMs | None = Field(default=None, alias="wrap_up")
    strategy: Strategy = "longest_idle"
    hours: Hours | None = None
    offer_when_closed: Flag = False
    target_in_open_time: Flag = False
    relax: tuple[Relaxation, ...] = ()
    overflow: Annotated[tuple[Overflow, ...], Field(max_length=OVERFLOWS_MAX)] = ()
    any_of: AnyOf = ()
    prefer_last_agent_ms: DurationMs = Field(default=0, alias="prefer_last_agent")
    pull: Flag = False
    callback: Callbacks | None = None


class Account(_Part):
    """One entry point of a channel. `name` is its key in the file.

    `secret_env` names the variable that holds what its webhooks are checked with: the auth token (twilio), the signing key
    (mailgun), the secret token of `setWebhook` (telegram), `user:password` of the webhook URL (postmark). `token_env` names
    the credential of the provider's API where it is another one (telegram: the bot's token), `account_sid_env` Twilio's account.
    `api_url` replaces the base URL of the provider's API. `address` is the account's own mailbox or number. `language`: of
    customers whose own is not known.
    """

    name: str = ""
    channel: Channel
    pool: Name
    provider: Text | None = None
    address: Text | None = None
    secret_env: EnvironmentName | None = None
    token_env: EnvironmentName | None = None
    account_sid_env: EnvironmentName | None = None
    api_url: HttpUrl | None = None
    from_name: Text | None = None
    language: Language | None = None
    max_body_bytes: int | None = Field(default=None, strict=True, ge=1024)


class When(_Part):
    """What a message must be like. Every condition given must hold; of the values of one condition, any.

    `subject_contains` and `text_contains` ignore case; `handle` and `to` are compared whole, with `*` for any characters;
    `attributes` are compared whole. `expression` is one in CEL, for what the other conditions cannot say.
    """

    channel: Channels = ()
    account: Texts = ()
    subject_contains: Texts = ()
    text_contains: Texts = ()
    handle: Texts = ()
    language: Languages = ()
    to: Texts = ()
    attributes: dict[Text, Texts] = {}
    expression: Expression | None = None


class Rule(_Part):
    """Where messages go, the first match wins. A rule is for the accounts of its queue's pool; without `when` it is the default."""

    when: When | None = None
    queue: Name
    skills: dict[Name, Level] = {}
    any_of: AnyOf = ()
    priority: Priority | None = None


class Agent(_Part):
    """Somebody who answers. `capacity`: contacts at once per channel; one on a channel not named.

    `units`: how much all of an agent's contacts together may use; None: they are not counted.
    `shift`: the hours outside of which he is offered nothing; None: he is offered work whenever he is available.
    """

    name: Text
    pool: Name
    skills: dict[Name, Level] = {}
    capacity: dict[ChannelName, Room] = {}
    units: Units | None = None
    role: Literal["agent", "supervisor", "admin"] = "agent"
    shift: Hours | None = None


class Followup(_Part):
    """The mails that acknowledge a message and ask afterwards. `sender` None: none are sent.

    `languages`: those that mails are written in; the first is for customers whose language is not known. `tell_wait`: on channels for
    short texts, who waits for `tell_wait_from` or longer is told so at once.
    """

    delay_ms: DurationMs = Field(default=30 * MINUTE_MS, alias="delay")
    sender: Text | None = Field(default=None, alias="from")
    reply_to: Text | None = None
    acknowledge: Flag = True
    tell_wait: Flag = False
    tell_wait_from_ms: DurationMs = Field(default=MINUTE_MS, alias="tell_wait_from")
    languages: Languages = ("it", "en")


def _name_accounts(accounts: dict[str, Account]) -> dict[str, Account]:
    named: dict[str, Account] = {}
    for name, account in accounts.items():
        provider = provider_of(account.channel, account.provider)
        named[name] = account.model_copy(
            update={"name": name, "provider": provider.name if provider else account.provider}
        )
    return named


class Configuration(_Part):
    """Everything in `centralino.yaml`. Dictionaries are keyed by the id; nobody changes them."""

    calendars: dict[Name, Calendar] = {}
    pools: dict[Name, Pool]
    queues: dict[Name, Queue]
    accounts: Annotated[dict[Name, Account], AfterValidator(_name_accounts)] = {}
    rules: tuple[Rule, ...] = ()
    agents: dict[Name, Agent] = {}
    followup: Followup = Followup()

    def rules_of(self, pool: str) -> tuple[tuple[int, Rule], ...]:
        """The rules for the accounts of a pool, in order, each with its place in the file's list (from 0)."""
        return tuple((place, rule) for place, rule in enumerate(self.rules) if self.queues[rule.queue].pool == pool)
