"""What one part of a configuration says about another is checked, and told at its place."""

import pytest

from libs.common.configuration import (
    examine_configuration,
    parse_configuration,
)
from tests.unit.configuration.written import a_configuration, errors_of, warnings_of


@pytest.mark.parametrize(
    ("account", "messages"),
    [
        ("{channel: telegram, pool: p, secret_env: S}", []),
        ("{channel: telegram, provider: telegram, pool: p, secret_env: S}", []),
        ("{channel: webform, pool: p}", []),
        ("{channel: whatsapp, provider: twilio, pool: p, secret_env: S, address: '+390212345678'}", []),
        ("{channel: email, provider: mailgun, pool: p, secret_env: S, address: a@b.example}", []),
        ("{channel: telegram, pool: p}", ["secret_env: is required with telegram"]),
        ("{channel: email, pool: p, address: a@b.example}", ["provider: is required: postmark or mailgun"]),
        (
            "{channel: email, provider: mailgun, pool: p, address: a@b.example}",
            ["secret_env: is required with mailgun"],
        ),
        ("{channel: email, provider: postmark, pool: p}", ["address: is required with postmark"]),
        ("{channel: sms, pool: p, secret_env: S, address: '+390212345678'}", ["provider: is required: twilio"]),
        (
            "{channel: whatsapp, provider: twilio, pool: p}",
            ["secret_env: is required with twilio", "address: is required with twilio"],
        ),
        ("{channel: webform, provider: twilio, pool: p}", ["provider: webform takes no provider"]),
        ("{channel: api, provider: x, pool: p}", ["provider: api takes no provider"]),
        (
            "{channel: voice, provider: twilio, pool: p}",
            ["channel: no provider connects voice; accounts can be of email, sms, whatsapp, telegram, webform, api"],
        ),
        (
            "{channel: sms, provider: twilio, pool: p, secret_env: S, address: '0212345678'}",
            ['address: must be a number with its country, in quotes, such as "+390212345678"'],
        ),
        ("{channel: webform}", ["pool: is required"]),
        ("{pool: p}", ["channel: is required"]),
    ],
)
def test_an_account_has_a_provider_that_exists_and_what_it_needs(account: str, messages: list[str]) -> None:
    errors = errors_of(a_configuration(accounts=f"{{x: {account}}}"))

    assert sorted(error.partition("accounts.x.")[2] for error in errors) == sorted(messages)


def test_telegram_is_its_own_provider() -> None:
    text = a_configuration(accounts="{x: {channel: telegram, pool: p, secret_env: S}}")

    assert parse_configuration(text).accounts["x"].provider == "telegram"


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        ("{hours: {mon-fri: ['9:00-13:00']}}", "hours.mon-fri[0]: must be hours such as 09:00-13:00, in quotes"),
        ("{hours: {fri-mon: []}}", "hours.fri-mon: the first day must come before the last, the week begins on mon"),
        ("{hours: {monday: []}}", "hours.monday: must be a day or days such as sat or mon-fri"),
        ("{hours: {mon-fri: [], wed: []}}", "hours: wed is given twice"),
        ("{hours: {mon: ['09:00-13:00', '12:59-14:00']}}", "hours: the hours of mon overlap"),
        (
            "{hours: {mon: ['22:00-06:00']}}",
            "hours.mon[0]: must begin before it ends; hours over midnight are two spans",
        ),
        ("{hours: {mon: ['22:00-24:01']}}", "hours.mon[0]: must end at 24:00 at the latest"),
        ("{timezone: ../../etc/passwd}", "timezone: unknown time zone; use a name such as Europe/Rome"),
        (
            "{holidays: IT-XX}",
            "holidays: IT has no region 'XX' with holidays of its own; try AG, AL, AN, AO, AP",
        ),
        ("{special: {2026-02-30: []}}", "special.2026-02-30: must be a day such as 2026-12-24"),
        ("{special: {2026-12-24: [9-12]}}", "special.2026-12-24[0]: must be hours such as 09:00-13:00, in quotes"),
        (
            "{special: {2026-12-24: ['09:00-13:00', '12:59-14:00']}}",
            "special: the hours of 2026-12-24 overlap",
        ),
        ("{hours: shop}", "hours: unknown calendar shop"),
        ("{hours: 9}", "hours: must be a mapping"),
        (
            "{holidays: Italy}",
            "holidays: must be a country such as IT, a region of it such as IT-MI, or a day such as 2026-12-24",
        ),
    ],
)
def test_hours_holidays_and_zones_are_checked(pool: str, message: str) -> None:
    (error,) = errors_of(a_configuration().replace("p: {}", f"p: {pool}"))

    assert error.partition("pools.p.")[2] == message


def test_a_skill_that_no_agent_anywhere_has_is_an_error() -> None:
    text = a_configuration(agents="{a: {name: A, pool: p, skills: {billing: 1}}}", queue=", skills: {biling: 1}")

    assert errors_of(text) == [
        "c.yaml:2:32: queues.q.skills.biling: unknown skill: no agent has it; did you mean billing?"
    ]


def test_a_skill_that_only_another_pools_agent_has_is_a_warning() -> None:
    text = a_configuration(
        agents="{a: {name: A, pool: other, skills: {billing: 1}}, b: {name: B, pool: p, skills: {legal: 2}}}",
        queue=", skills: {billing: 1, legal: 3}",
    )

    assert warnings_of(text) == [
        "c.yaml:2:32: queues.q.skills.billing: no agent of pool p has this skill: contacts that ask for it will wait",
        "c.yaml:2:51: queues.q.skills.legal: no agent of pool p has this skill at level 3 (the best has 2):"
        " contacts will wait",
    ]


def test_a_rule_may_ask_for_no_unknown_skill_either() -> None:
    text = a_configuration(
        agents="{a: {name: A, pool: p, skills: {billing: 1}}}", rules="[{queue: q, skills: {bill: 1}}]"
    )

    (error,) = errors_of(text)

    assert "rules[0].skills.bill: unknown skill" in error


def test_each_pool_with_accounts_needs_a_default_rule() -> None:
    text = a_configuration(
        accounts="{x: {channel: webform, pool: p}, y: {channel: webform, pool: other}}",
        rules="[{queue: q}, {queue: elsewhere, when: {language: it}}]",
    )

    assert errors_of(text) == [
        "c.yaml:4:1: rules: pool other has accounts and no default rule: the last of its rules must be one without `when`"
    ]


def test_a_rule_cannot_send_an_accounts_messages_into_another_pool() -> None:
    text = a_configuration(
        accounts="{x: {channel: webform, pool: p}}", rules="[{when: {account: [x]}, queue: elsewhere}, {queue: q}]"
    )

    assert errors_of(text) == [
        "c.yaml:4:26: rules[0].when.account: account x is of pool p, and queue elsewhere of pool other"
    ]


def test_a_condition_that_names_nothing_is_refused() -> None:
    assert errors_of(a_configuration(rules="[{when: {}, queue: q}]")) == [
        "c.yaml:4:16: rules[0].when: must name a condition; a rule without `when` is the default"
    ]


def test_what_is_probably_not_meant_is_a_warning() -> None:
    text = a_configuration(
        accounts="{x: {channel: email, provider: postmark, address: a@b.example, pool: p, secret_env: S}}",
        rules="[{when: {channel: sms}, queue: q}, {queue: q}, {when: {channel: email}, queue: q}]",
    )

    assert warnings_of(text, {}) == [
        "c.yaml:1:9: pools.p: has accounts and no agent: contacts will wait",
        "c.yaml:3:95: accounts.x.secret_env: the environment variable S is not set",
        "c.yaml:4:26: rules[0].when.channel: never matches: pool p has no account of channel sms",
        "c.yaml:4:55: rules[2]: never reached: rules[1] takes everything of pool p",
    ]
    assert len(warnings_of(text, {"S": "user:password"})) == 3


def test_follow_up_mails_need_a_sender() -> None:
    assert errors_of(a_configuration() + "followup: {delay: 1h}\n") == [
        "c.yaml:6:1: followup.from: is required: the sender of the mails"
    ]


CALENDARS = """\
calendars: {shop: {hours: {mon: ["09:00-10:00"]}}}
pools: {p: {hours: shop}}
queues: {q: {pool: p}}
agents: {a: {name: A, pool: p}}
"""


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("{pool: p}", "{pool: p, hours: shpo}", "queues.q.hours: unknown calendar shpo; did you mean shop?"),
        ("name: A", "name: A, shift: always", "agents.a.shift: unknown calendar always"),
        (
            "shop: {",
            "always: {hours: {}}, shop: {",
            "calendars.always: cannot be the name of a calendar: `hours: always` is a queue that never closes",
        ),
        (
            "hours: shop}",
            "hours: shop, holidays: IT}",
            "pools.p.holidays: the hours are those of a calendar, whose holidays count: write them there",
        ),
    ],
)
def test_calendars_are_named_where_they_are(before: str, after: str, message: str) -> None:
    (error,) = errors_of(CALENDARS.replace(before, after))

    assert error.partition(": ")[2] == message


def test_a_queue_may_go_by_its_own_hours_a_calendar_or_none() -> None:
    text = CALENDARS.replace(
        "q: {pool: p}", "q: {pool: p}, r: {pool: p, hours: {tue: []}}, s: {pool: p, hours: always}"
    )

    queues = parse_configuration(text).queues

    assert [queues[name].hours for name in "qrs"] == [None, {"tue": ()}, "always"]


def test_offering_while_closed_means_something_only_where_something_closes() -> None:
    text = a_configuration(queue=", offer_when_closed: true")

    (warning,) = examine_configuration(text).warnings

    assert warning.message == "changes nothing: neither the queue nor its pool has hours"


RELAXING = """\
pools: {p: {}, other: {}}
queues:
  q: {pool: p, relax: [{after: 30s, drop: [x]}, {after: 60s, lower: {x: 1}}, {after: 90s, widen: general}]}
  general: {pool: p}
  elsewhere: {pool: other}
agents: {a: {name: A, pool: p, skills: {x: 2}}}
"""


def test_reads_relaxations() -> None:
    steps = parse_configuration(RELAXING).queues["q"].relax

    assert [(step.after_ms, step.drop, step.lower, step.widen) for step in steps] == [
        (30_000, ("x",), {}, None),
        (60_000, (), {"x": 1}, None),
        (90_000, (), {}, "general"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("widen: general", "widen: genral", "widen: unknown queue of the same pool genral; did you mean general?"),
        ("widen: general", "widen: q", "widen: unknown queue of the same pool q"),
        ("widen: general", "widen: elsewhere", "widen: unknown queue of the same pool elsewhere"),
        (", widen: general", "", "relax[2]: must drop, lower or widen something"),
        ("after: 90s", "after: 60s", "relax[2].after: must be later than the step before it"),
        ("lower: {x: 1}", "lower: {x: 9}", "relax[1].lower.x: must be 1 to 5"),
    ],
)
def test_relaxations_are_checked_at_their_place(before: str, after: str, message: str) -> None:
    (error,) = errors_of(RELAXING.replace(before, after))

    assert error.endswith(message)
