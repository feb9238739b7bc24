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
from tests.unit.configuration.written import a_configuration, errors_of

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
