"""A configuration is read as it is written, and everything that is wrong with it is told at once, with its place."""

import textwrap
from pathlib import Path

import pytest

from libs.common.configuration import (
    Account,
    Agent,
    Configuration,
    ConfigurationInvalidError,
    Pool,
    Queue,
    Rule,
    When,
    examine_configuration,
    load_configuration,
    parse_configuration,
    sample_configuration,
)
from libs.common.configuration.calendars import Span
from libs.common.events.message import Channel

CONTRACT = """\
pools:
  care: {timezone: Europe/Rome, hours: {mon-fri: ["09:00-13:00", "14:00-18:00"], sat: ["09:00-13:00"]}, holidays: IT}
queues:
  orders:  {pool: care, skills: {orders: 2}, target: 60s, priority: 0, offer_timeout: 20s, wrap_up: 0s}
  general: {pool: care, skills: {}, target: 5m}
accounts:
  support-mail: {channel: email, provider: postmark, pool: care, address: support@shop.example}
  sms-main:     {channel: sms, provider: twilio, pool: care, address: "+390212345678", secret_env: TWILIO_AUTH_TOKEN}
  api:          {channel: api, pool: care}
rules:
  - {when: {channel: email, subject_contains: [ordine, order]}, queue: orders, skills: {lang.it: 3}}
  - {queue: general}
agents:
  anna: {name: Anna Bianchi, pool: care, skills: {orders: 4, lang.it: 5}, capacity: {voice: 1, webchat: 3, email: 5}, role: agent}
followup: {delay: 30m, from: "Shop <care@shop.example>", reply_to: care@shop.example, acknowledge: true}
"""


def errors_of(text: str) -> list[str]:
    """Every error of a text, as it is shown."""
    return [str(problem) for problem in examine_configuration(textwrap.dedent(text), "c.yaml").errors]


def warnings_of(text: str, environ: dict[str, str] | None = None) -> list[str]:
    """Every warning of a text without errors, as it is shown."""
    examination = examine_configuration(textwrap.dedent(text), "c.yaml", environ)
    assert examination.errors == ()
    return [str(problem) for problem in examination.warnings]


def a_configuration(*, agents: str = "{}", rules: str = "[{queue: q}]", accounts: str = "{}", queue: str = "") -> str:
    """A text with one pool and one queue; what is given takes the place of what is there."""
    return textwrap.dedent(f"""\
        pools: {{p: {{}}, other: {{}}}}
        queues: {{q: {{pool: p{queue}}}, elsewhere: {{pool: other}}}}
        accounts: {accounts}
        rules: {rules}
        agents: {agents}
        """)


def test_reads_the_contracts_example() -> None:
    configuration = parse_configuration(CONTRACT)

    assert configuration.queues["orders"] == Queue(
        pool="care", skills={"orders": 2}, target_ms=60_000, priority=0, offer_timeout_ms=20_000, wrap_up_ms=0
    )
    assert configuration.queues["general"].target_ms == 300_000
    assert configuration.accounts["sms-main"] == Account(
        name="sms-main",
        channel=Channel.SMS,
        provider="twilio",
        pool="care",
        address="+390212345678",
        secret_env="TWILIO_AUTH_TOKEN",
    )
    assert configuration.rules == (
        Rule(
            when=When(channel=("email",), subject_contains=("ordine", "order")), queue="orders", skills={"lang.it": 3}
        ),
        Rule(queue="general"),
    )
    assert configuration.agents["anna"] == Agent(
        name="Anna Bianchi",
        pool="care",
        skills={"orders": 4, "lang.it": 5},
        capacity={"voice": 1, "webchat": 3, "email": 5},
    )
    assert configuration.followup.delay_ms == 1_800_000
    assert configuration.followup.sender == "Shop <care@shop.example>"
    assert configuration.followup.acknowledge


def test_reads_hours_and_holidays() -> None:
    morning, afternoon = Span(from_minute=540, to_minute=780), Span(from_minute=840, to_minute=1080)

    pool = parse_configuration(CONTRACT).pools["care"]

    assert pool.timezone == "Europe/Rome"
    assert pool.hours == {"mon-fri": (morning, afternoon), "sat": (morning,)}
    assert pool.holidays == ("IT",)


def test_an_empty_pool_is_always_open() -> None:
    assert parse_configuration(a_configuration()).pools["p"] == Pool(timezone="UTC", hours=None, holidays=())


def test_the_sample_has_neither_errors_nor_warnings() -> None:
    text = (Path(sample_configuration.__code__.co_filename).parent / "sample.yaml").read_text()

    examination = examine_configuration(text, environ={})

    assert (examination.errors, examination.warnings) == ((), ())
    assert examination.configuration == sample_configuration()


def test_rules_are_those_of_the_queues_pool_with_their_places() -> None:
    configuration = Configuration(
        pools={"a": Pool(), "b": Pool()},
        queues={"qa": Queue(pool="a"), "qb": Queue(pool="b")},
        rules=(Rule(queue="qa"), Rule(queue="qb")),
    )

    assert configuration.rules_of("b") == ((1, Rule(queue="qb")),)


def test_tells_every_error_at_once_in_the_files_order() -> None:
    text = """\
        pools:
          care: {timezone: Europe/Roma, hours: {mon-fri: ["09:00-13:00", "12:00-18:00"], mon: [10-12]}, holidays: [XX, 2026-02-30]}
          sales:
        queues:
          orders:  {pool: cares, skills: {orders: 9}, target: 60, priorty: 0, offer_timeout: 0s}
          general: {pool: care, skills: {ordes: 1}, target: 5 minutes}
          deals: {pool: sales}
        accounts:
          support-mail: {channel: email, provider: postmrk, pool: care, address: support, secret_env: 1A}
          sms-main:     {channel: sms, provider: twilio, pool: sales, address: +390212345678}
          api:          {channel: apy, pool: care, name: x}
          api:          {channel: api, pool: care}
        rules:
          - {when: {channel: emial, subject_contains: [ordine, order]}, queue: orders, skills: {lang.it: 3}}
          - {when: {account: sms-main}, queue: general}
          - {queue: genral}
        agents:
          anna: {name: Anna, pool: care, skills: {orders: 4, lang.it: yes}, capacity: {voic: 1, webchat: true}, role: agnt}
        followup: {delay: 30m, from: "Shop", acknowledge: yes}
        """

    assert errors_of(text) == [
        "c.yaml:2:20: pools.care.timezone: unknown time zone; use a name such as Europe/Rome",
        "c.yaml:2:88: pools.care.hours.mon[0]: must be hours such as 09:00-13:00, in quotes",
        "c.yaml:2:108: pools.care.holidays[0]: must be a country such as IT, a region of it such as IT-MI, or a day such as 2026-12-24",
        "c.yaml:2:112: pools.care.holidays[1]: must be a country such as IT, a region of it such as IT-MI, or a day such as 2026-12-24",
        "c.yaml:3:9: pools.sales: must be a mapping; an empty one is {}",
        "c.yaml:5:19: queues.orders.pool: unknown pool cares; did you mean care?",
        "c.yaml:5:43: queues.orders.skills.orders: must be 1 to 5",
        "c.yaml:5:55: queues.orders.target: must be a duration such as 30s, 5m or 2h",
        "c.yaml:5:59: queues.orders.priorty: unknown key; did you mean priority?",
        "c.yaml:5:86: queues.orders.offer_timeout: must be at least 1s",
        "c.yaml:6:34: queues.general.skills.ordes: unknown skill: no agent has it; did you mean orders?",
        "c.yaml:6:53: queues.general.target: must be a duration such as 30s, 5m or 2h",
        "c.yaml:9:44: accounts.support-mail.provider: email is connected by postmark or mailgun; did you mean postmark?",
        "c.yaml:9:74: accounts.support-mail.address: must be a mail address such as support@shop.example",
        "c.yaml:9:95: accounts.support-mail.secret_env: must be the name of an environment variable,"
        " such as TWILIO_AUTH_TOKEN",
        "c.yaml:10:3: accounts.sms-main.secret_env: is required with twilio",
        "c.yaml:10:72: accounts.sms-main.address: must be text; put it in quotes",
        "c.yaml:11:27: accounts.api.channel: must be one of email, sms, whatsapp, messenger, instagram, telegram,"
        " webchat, webform, voice, api; did you mean api?",
        "c.yaml:11:44: accounts.api.name: unknown key",
        "c.yaml:12:3: accounts.api: given twice, first on line 11",
        "c.yaml:14:22: rules[0].when.channel: must be one of webchat, whatsapp, messenger, instagram, telegram, voice,"
        " sms, email, webform, api; did you mean email?",
        "c.yaml:15:22: rules[1].when.account: account sms-main is of pool sales, and queue general of pool care",
        "c.yaml:16:13: rules[2].queue: unknown queue genral; did you mean general?",
        "c.yaml:18:63: agents.anna.skills.lang.it: must be a whole number",
        "c.yaml:18:80: agents.anna.capacity.voic: must be one of webchat, whatsapp, messenger, instagram, telegram,"
        " voice, sms, email, webform, api; did you mean voice?",
        "c.yaml:18:98: agents.anna.capacity.webchat: must be a whole number",
        "c.yaml:18:111: agents.anna.role: must be one of agent, supervisor, admin; did you mean agent?",
        "c.yaml:19:30: followup.from: must be a mail address such as Shop <care@shop.example>",
        "c.yaml:19:51: followup.acknowledge: must be true or false",
    ]


def test_mistakes_in_strategies_and_capacities_are_told_with_their_places() -> None:
    text = """\
        pools:
          care:
            channels:
              voice: {units: -1, excludes: [email, voice], interrupts: emial, target: 0s}
              fax: {}
            routing: {offers_open_max: one, flag_after_declines: 99, not_responding_after: -1}
        queues:
          general: {pool: care, strategy: longest_idel, any_of: [{ordes: 1}, {}], prefer_last_agent: 5}
        agents:
          anna: {name: Anna, pool: care, units: 1.5, skills: {orders: 3}}
        """

    known = "webchat, whatsapp, messenger, instagram, telegram, voice, sms, email, webform, api"
    assert errors_of(text) == [
        "c.yaml:4:22: pools.care.channels.voice.units: must be at least 0",
        "c.yaml:4:36: pools.care.channels.voice.excludes: must not name the channel itself",
        f"c.yaml:4:64: pools.care.channels.voice.interrupts: must be one of {known}; did you mean email?",
        "c.yaml:4:79: pools.care.channels.voice.target: must be at least 1s",
        f"c.yaml:5:7: pools.care.channels.fax: must be one of {known}",
        "c.yaml:6:32: pools.care.routing.offers_open_max: must be a whole number",
        "c.yaml:6:58: pools.care.routing.flag_after_declines: must be at most 60",
        "c.yaml:6:84: pools.care.routing.not_responding_after: must be at least 0",
        "c.yaml:8:35: queues.general.strategy: must be one of longest_idle, least_loaded, round_robin, most_skilled,"
        " least_skilled; did you mean longest_idle?",
        "c.yaml:8:59: queues.general.any_of[0].ordes: unknown skill: no agent has it; did you mean orders?",
        "c.yaml:8:70: queues.general.any_of[1]: must not be empty",
        "c.yaml:8:94: queues.general.prefer_last_agent: must be a duration such as 30s, 5m or 2h",
        "c.yaml:10:41: agents.anna.units: must be a whole number",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pools: [", "c.yaml:1:9: not readable as YAML: while parsing a flow node, expected the node content"),
        ("pools: {a: 1\nqueues: x", "c.yaml:2:7: not readable as YAML: while parsing a flow mapping,"),
        ("a: b: c", "c.yaml:1:5: not readable as YAML: mapping values are not allowed here"),
        ("a: *b", "c.yaml:1:4: not readable as YAML: found undefined alias 'b'"),
        ("a: 1\nb: \x07", "c.yaml:2:4: not readable as YAML: a character that it does not allow"),
        ("pools:\n\tcare: {}", "c.yaml:2:1: not readable as YAML: while scanning for the next token"),
        ("[" * 3000, "c.yaml:1:1: nested too deeply"),
        ("a: 1\n---\nb: 2", "c.yaml:2:1: not readable as YAML: expected a single document in the stream"),
    ],
)
def test_tells_where_a_text_is_no_yaml(text: str, message: str) -> None:
    (error,) = errors_of(text)

    assert error.startswith(message)


@pytest.mark.parametrize("text", ["", "# nothing\n", "[]", "just words", "pools: 3\nqueues: []\nrules: {}\nagents: x"])
def test_a_text_of_another_shape_gives_errors_and_no_crash(text: str) -> None:
    assert errors_of(text)


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]

    assert errors_of("\n".join(lines)) == ["c.yaml:1:1: has more than 500000 parts"]


def test_plain_words_are_not_read_as_something_else() -> None:
    # YAML 1.1 would make false of `no` (Norway), a number of `12:30` and a date of the day.
    text = (
        a_configuration()
        .replace("p: {}", "p: {holidays: [NO, 2026-12-24]}")
        .replace("q: {", "no: {")
        .replace("queue: q", "queue: no")
    )

    configuration = parse_configuration(text)

    assert configuration.pools["p"].holidays == ("NO", "2026-12-24")
    assert "no" in configuration.queues


def test_defaults_can_be_merged_in() -> None:
    text = """\
        pools: {p: {}}
        queues:
          a: &defaults {pool: p, target: 10s, wrap_up: 5s}
          b: {<<: *defaults, target: 20s}
        """

    queue = parse_configuration(textwrap.dedent(text)).queues["b"]

    assert (queue.target_ms, queue.wrap_up_ms) == (20_000, 5_000)


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


def test_a_file_that_is_not_there_is_told_like_any_other_error(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"

    with pytest.raises(ConfigurationInvalidError) as caught:
        load_configuration(path)

    assert str(caught.value) == f"{path}:1:1: cannot be read: No such file or directory"


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("pools: {caffè: {}}".encode("latin-1"))

    with pytest.raises(ConfigurationInvalidError, match="is not UTF-8"):
        load_configuration(path)


def test_a_file_saved_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + CONTRACT.encode())

    assert load_configuration(path) == parse_configuration(CONTRACT)


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
