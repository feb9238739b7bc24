"""Small histories of a pool, as they are recorded under `histories/`: what came in, when, and exactly which facts followed.

A recorded history is never changed to make a test pass: its facts may stand on somebody's log. `python -m tests.golden.routing_histories`
records those that are not there yet; to record one again, remove it first, and say in the commit why the router now decides otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from libs.common.events.inputs import (
    AcceptOffer,
    AnyInput,
    AssignContact,
    CallbackWish,
    CancelContact,
    ChangeContact,
    ContactHandedOver,
    CustomerLeft,
    DrainQueue,
    EndConsult,
    ExtendWrapUp,
    ForwardedContactEnded,
    HandoversAppended,
    HoldContact,
    MessageHandedOver,
    PullContact,
    RejectOffer,
    ReportNotReached,
    RequestCallback,
    RequeueContact,
    ResolveContact,
    SetPresence,
    StartConsult,
    TransferContact,
    UnholdContact,
)
from libs.common.events.message import Letter
from libs.common.events.pool import CallbackConfiguration, ChannelConfiguration, Overflow, RoutingRules
from libs.common.events.routing import PoolFact
from libs.common.testing.builders import (
    POOL,
    START_MS,
    a_configure_pool,
    a_contact_received,
    a_finish_wrap_up,
    a_message,
    a_queue,
    a_time_advanced,
    an_add_note,
    an_agent,
)
from services.router.core.snapshot import digest
from services.router.core.step import new_state, step

FOLDER: Final = Path(__file__).parent / "histories"

Timed = tuple[int, AnyInput]  # Milliseconds after the start, input.


class Step(msgspec.Struct, frozen=True):
    """One input at the log's time `at_ms`, the facts that followed, and the digest of the state after them."""

    at_ms: int
    input: AnyInput
    facts: tuple[PoolFact, ...]
    digest: str


def _presence(agent: str, status: str, command: str) -> SetPresence:
    return SetPresence(pool=POOL, command_id=command, agent_id=agent, target_agent_id=agent, status=status)


def _accept(agent: str, offer: str, command: str) -> AcceptOffer:
    return AcceptOffer(pool=POOL, command_id=command, agent_id=agent, offer_id=offer)


def _resolve(agent: str, contact: str, command: str) -> ResolveContact:
    return ResolveContact(
        pool=POOL, command_id=command, agent_id=agent, contact_id=contact, disposition="answered", summary="Inviato"
    )


def one_contact() -> list[Timed]:
    """From the customer's message to the end of wrap-up, with everything delivered twice."""
    pool = a_configure_pool(
        queues=(a_queue(skills={"orders": 2}, wrap_up_ms=15_000),), agents=(an_agent(skills={"orders": 4}),)
    )
    once: list[Timed] = [
        (0, pool),
        (10, _presence("anna", "available", "cmd_1")),
        (2_000, a_contact_received(1, contact_id="con_a", skills={"orders": 3})),
        (4_500, _accept("anna", "off_a_1", "cmd_2")),
        (60_000, a_contact_received(1, message=a_message(1, provider_id="again"), contact_id="con_b")),
        (61_000, an_add_note("con_a", command_id="cmd_3")),
        (90_000, _resolve("anna", "con_a", "cmd_4")),
        (95_000, a_finish_wrap_up("con_a", command_id="cmd_5")),
    ]
    return [timed for timed in once for _ in range(2)]


def nobody_answers() -> list[Timed]:
    """Offers that run out and are declined, until somebody takes the contact."""
    agents = (an_agent("anna"), an_agent("bruno"))
    return [
        (0, a_configure_pool(agents=agents)),
        (1, _presence("anna", "available", "cmd_1")),
        (2, _presence("bruno", "available", "cmd_2")),
        (1_000, a_contact_received(1, contact_id="con_a")),
        (21_000, a_time_advanced(START_MS + 21_000)),
        (22_000, RejectOffer(pool=POOL, command_id="cmd_3", agent_id="bruno", offer_id="off_a_2", reason="busy")),
        (22_500, _accept("anna", "off_a_1", "cmd_4")),
        (81_000, a_time_advanced(START_MS + 81_000)),
        (101_000, _accept("anna", "off_a_3", "cmd_5")),
        (103_000, _accept("bruno", "off_a_4", "cmd_6")),
    ]


def a_day_of_three() -> list[Timed]:
    """Two channels, two languages, a break, a sign-out in the middle of work, and a queue that the pool does not have."""
    agents = (
        an_agent("anna", skills={"lang.it": 5, "lang.en": 2}, capacity={"email": 3, "webchat": 2}),
        an_agent("bruno", skills={"lang.it": 3}),
        an_agent("carla", skills={"lang.en": 5}, capacity={"webchat": 1}),
    )
    queues = (a_queue("general", target_ms=None), a_queue("orders", priority=2))
    timed: list[Timed] = [
        (0, a_configure_pool(queues=queues, agents=agents)),
        (5, a_contact_received(1, contact_id="con_a", queue="general", skills={"lang.en": 3})),
        (6, a_contact_received(2, contact_id="con_b", skills={"lang.it": 4})),
        (7, a_contact_received(3, contact_id="con_c", queue="gone", message=a_message(3, channel="webchat"))),
        (10, _presence("anna", "available", "cmd_1")),
        (11, _presence("bruno", "available", "cmd_2")),
        (12, _presence("carla", "available", "cmd_3")),
        (900, _accept("anna", "off_c_2", "cmd_4")),
        (950, _accept("anna", "off_b_1", "cmd_5")),
        (990, _accept("carla", "off_a_3", "cmd_6")),
        (1_500, a_contact_received(4, contact_id="con_d", message=a_message(4, occurred_ms=START_MS - 500))),
        (2_000, _presence("bruno", "break", "cmd_7")),
        (2_500, _resolve("anna", "con_c", "cmd_8")),
        (3_000, _presence("anna", "offline", "cmd_9")),
        (4_000, _presence("bruno", "available", "cmd_10")),
        (5_000, _resolve("bruno", "con_b", "cmd_11")),
    ]
    return timed


def the_pool_changes() -> list[Timed]:
    """Agents, skills, capacity and queues are replaced while contacts are in every state."""
    able = {"lang.it": 3}
    before = (an_agent("anna", skills=able, capacity={"email": 2}), an_agent("bruno", skills=able))
    after = (an_agent("bruno", capacity={"email": 2}), an_agent("carla", skills=able))
    queue = a_queue(wrap_up_ms=30_000)
    return [
        (0, a_configure_pool(queues=(queue,), agents=before)),
        (1, _presence("anna", "available", "cmd_1")),
        (2, _presence("bruno", "available", "cmd_2")),
        (10, a_contact_received(1, contact_id="con_a", skills={"lang.it": 2})),
        (20, _accept("anna", "off_a_1", "cmd_3")),
        (30, a_contact_received(2, contact_id="con_b", skills={"lang.it": 2})),
        (40, a_contact_received(3, contact_id="con_c")),
        (50, _resolve("anna", "con_a", "cmd_4")),
        (60, a_contact_received(4, contact_id="con_d")),
        (100, a_configure_pool(version="v2", queues=(a_queue("other"),), agents=after)),
        (200, _presence("carla", "available", "cmd_5")),
        (300, a_configure_pool(version="v3", queues=(queue,), agents=before)),
    ]


def passing_on_and_holding() -> list[Timed]:
    """Contacts are passed on, held, taken by name; customers write on held ones; a supervisor gives, takes back, changes and ends."""
    agents = (an_agent("anna"), an_agent("bruno", skills={"lang.it": 4}), an_agent("carla", skills={"lang.it": 2}))
    queues = (a_queue(pull=True), a_queue("billing", skills={"lang.it": 2}, wrap_up_ms=-1))
    pool = a_configure_pool(
        queues=queues,
        agents=agents,
        channels=(ChannelConfiguration(id="email", wrap_up_ms=10_000),),
        rules=RoutingRules(transfers_max=2, transfer_back_ms=60_000),
    )

    def ask(kind: Any, agent: str, contact: str, command: str, **fields: Any) -> AnyInput:
        event: AnyInput = kind(pool=POOL, command_id=command, agent_id=agent, contact_id=contact, **fields)
        return event

    def supervise(kind: Any, contact: str, command: str, **fields: Any) -> AnyInput:
        return ask(kind, "marta", contact, command, supervising=True, **fields)

    return [
        (0, pool),
        (1, _presence("anna", "available", "cmd_1")),
        (10, a_contact_received(1, contact_id="con_a")),
        (20, _accept("anna", "off_a_1", "cmd_2")),
        (30, ask(HoldContact, "anna", "con_a", "cmd_3")),
        (40, a_contact_received(2, contact_id="con_b")),
        (50, _accept("anna", "off_b_2", "cmd_4")),
        (60, a_contact_received(3, message=a_message(1, provider_id="again"), contact_id="con_x")),
        (70, ask(TransferContact, "anna", "con_b", "cmd_5", queue="billing", note_id="note_1", text="Fattura")),
        (80, _presence("bruno", "available", "cmd_6")),
        (90, _accept("bruno", "off_b_3", "cmd_7")),
        (100, ask(TransferContact, "bruno", "con_b", "cmd_8", skills={"lang.it": 1})),
        (110, supervise(AssignContact, "con_b", "cmd_9", target_agent_id="carla")),
        (120, _presence("carla", "busy", "cmd_10")),
        (130, supervise(AssignContact, "con_b", "cmd_11", target_agent_id="carla")),
        (140, ask(TransferContact, "carla", "con_b", "cmd_12", queue="billing")),
        (150, ask(HoldContact, "carla", "con_b", "cmd_13")),
        (160, ask(UnholdContact, "carla", "con_b", "cmd_14")),
        (170, _resolve("carla", "con_b", "cmd_15")),
        (180, ask(ExtendWrapUp, "carla", "con_b", "cmd_16", by_ms=5_000)),
        (190, a_finish_wrap_up("con_b", agent="carla", command_id="cmd_17")),
        (200, supervise(RequeueContact, "con_a", "cmd_18")),
        (210, supervise(ChangeContact, "con_a", "cmd_19", priority=3)),
        (220, supervise(ChangeContact, "con_a", "cmd_20", queue="billing")),
        (230, RejectOffer(pool=POOL, command_id="cmd_21", agent_id="bruno", offer_id="off_a_5")),
        (240, ask(PullContact, "bruno", "con_a", "cmd_22")),
        (250, supervise(ChangeContact, "con_a", "cmd_23", queue="orders")),
        (260, ask(PullContact, "bruno", "con_a", "cmd_24")),
        (270, _resolve("bruno", "con_a", "cmd_25")),
        (280, ask(ExtendWrapUp, "bruno", "con_a", "cmd_26", by_ms=5_000)),
        (15_270, a_time_advanced(START_MS + 15_270)),
        (16_000, a_contact_received(4, contact_id="con_c")),
        (17_000, supervise(CancelContact, "con_c", "cmd_27", reason="spam")),
        (18_000, a_contact_received(5, contact_id="con_d")),
        (19_000, supervise(ResolveContact, "con_d", "cmd_28")),
    ]


def customers_leave() -> list[Timed]:
    """Customers leave while they wait, and while they are offered; one comes back in time, one too late; a contact goes to a colleague."""
    pool = a_configure_pool(
        agents=(an_agent("anna"), an_agent("bruno")), rules=RoutingRules(abandoned_kept_ms=10_000, transfer_back_ms=0)
    )
    return [
        (0, pool),
        (10, a_contact_received(1, contact_id="con_a")),
        (20, CustomerLeft(pool=POOL, contact_id="con_a")),
        (30, a_contact_received(2, contact_id="con_b")),
        (40, _presence("anna", "available", "cmd_1")),
        (50, CustomerLeft(pool=POOL, contact_id="con_b")),
        (60, a_contact_received(3, message=a_message(1, provider_id="again"), contact_id="con_x")),
        (70, _accept("anna", "off_a_2", "cmd_2")),
        (80, CustomerLeft(pool=POOL, contact_id="con_a")),
        (10_050, a_contact_received(4, message=a_message(2, provider_id="late"), contact_id="con_y")),
        (10_060, _presence("bruno", "available", "cmd_3")),
        (
            10_070,
            TransferContact(
                pool=POOL, command_id="cmd_4", agent_id="anna", contact_id="con_a", target_agent_id="bruno"
            ),
        ),
        (
            10_075,
            StartConsult(pool=POOL, command_id="cmd_5", agent_id="anna", contact_id="con_a", target_agent_id="bruno"),
        ),
        (10_080, CustomerLeft(pool=POOL, contact_id="con_y")),
        (10_081, _accept("bruno", "off_a_4", "cmd_6")),
        (
            10_082,
            StartConsult(pool=POOL, command_id="cmd_7", agent_id="bruno", contact_id="con_a", target_agent_id="anna"),
        ),
        (
            10_083,
            EndConsult(pool=POOL, command_id="cmd_8", agent_id="anna", contact_id="con_a", target_agent_id="anna"),
        ),
        (20_080, a_time_advanced(START_MS + 20_080)),
        (20_090, CustomerLeft(pool=POOL, contact_id="con_none")),
    ]


def overflowing() -> list[Timed]:
    """Queues that are left when they are full, and by who has waited; customers are told, and contacts come to their end."""
    told = {"en": "Please wait.", "it": "Attenda, per favore."}
    orders = a_queue(
        "orders",
        skills={"orders": 2},
        overflow=(
            Overflow(when="waiting", at_least=2, to="queue", target="general"),
            Overflow(when="waited", at_least=10_000, to="message", text=told),
            Overflow(when="waited", at_least=20_000, to="queue", target="general"),
        ),
    )
    general = a_queue(
        "general",
        overflow=(
            Overflow(when="waiting", at_least=2, to="end", text={"en": "Please come back."}),
            Overflow(when="waited", at_least=5_000, to="queue", target="orders"),
            Overflow(when="waited", at_least=15_000, to="end"),
        ),
    )
    return [
        (0, a_configure_pool(queues=(orders, general), agents=(an_agent("anna"),))),
        *((number * 1_000, a_contact_received(number, contact_id=f"con_{number}")) for number in range(1, 6)),
        (11_000, a_time_advanced(START_MS + 11_000)),
        (18_500, a_time_advanced(START_MS + 18_500)),
        (21_000, a_time_advanced(START_MS + 21_000)),
        (21_500, _presence("anna", "available", "cmd_1")),
        (60_000, a_time_advanced(START_MS + 60_000)),
    ]


def a_queue_runs_empty() -> list[Timed]:
    """A queue is drained to another while one contact waits, one is offered and one is with its agent; then to none; then it is lifted."""
    pool = a_configure_pool(
        queues=(a_queue("orders"), a_queue("billing", skills={"it": 2})),
        agents=(an_agent("anna", capacity={"email": 2}), an_agent("bruno", skills={"it": 5})),
    )

    def drain(command: str, queue: str, to: str | None = None, *, lift: bool = False) -> AnyInput:
        common = {"pool": POOL, "command_id": command, "agent_id": "marta", "supervising": True}
        return DrainQueue(**common, queue=queue, to_queue=to, lift=lift)  # type: ignore[arg-type]  # the fields of a command

    return [
        (0, pool),
        (1, _presence("anna", "available", "cmd_1")),
        (10, a_contact_received(1, contact_id="con_a")),
        (20, _accept("anna", "off_a_1", "cmd_2")),
        (30, a_contact_received(2, contact_id="con_b")),
        (40, a_contact_received(3, contact_id="con_c", skills={"en": 1})),
        (50, a_contact_received(4, contact_id="con_d")),
        (60, drain("cmd_3", "orders", "billing")),
        (70, drain("cmd_4", "billing", "orders")),
        (80, a_contact_received(5, contact_id="con_e")),
        (90, RejectOffer(pool=POOL, command_id="cmd_5", agent_id="anna", offer_id="off_b_2")),
        (100, _presence("bruno", "available", "cmd_6")),
        (110, drain("cmd_7", "orders")),
        (120, a_contact_received(6, contact_id="con_f")),
        (130, drain("cmd_8", "orders", lift=True)),
        (140, a_contact_received(7, contact_id="con_g")),
    ]


def called_back() -> list[Timed]:
    """Customers who are called back: when they want, after a wait, asked for by an agent; one cannot be reached, one calls by himself."""
    settings = CallbackConfiguration(
        attempts=2, retry_ms=60_000, texts={"en": "We will call you.", "it": "La richiameremo."}
    )
    orders = a_queue("orders", callback=settings, overflow=(Overflow(when="waited", at_least=30_000, to="callback"),))
    luca, rosa = "tel:+393331234567", "tel:+390212345"
    later = CallbackWish(handle=luca, not_before_ms=START_MS + 10_000)

    def ask(kind: Any, command: str, contact: str, **fields: Any) -> AnyInput:
        event: AnyInput = kind(pool=POOL, command_id=command, agent_id="anna", contact_id=contact, **fields)
        return event

    return [
        (0, a_configure_pool(queues=(orders,), agents=(an_agent("anna"),))),
        (10, a_contact_received(1, contact_id="con_a", callback=later)),
        (20, a_contact_received(2, contact_id="con_b")),
        (30, _presence("anna", "available", "cmd_1")),
        (40, _accept("anna", "off_b_1", "cmd_2")),
        (50, ask(RequestCallback, "cmd_3", "con_b")),
        (60, ask(RequestCallback, "cmd_4", "con_b", handle=luca)),
        (70, ask(RequestCallback, "cmd_5", "con_b", handle=rosa, not_before_ms=START_MS + 5_000)),
        (5_000, a_time_advanced(START_MS + 5_000)),
        (5_010, _accept("anna", "off_b_2", "cmd_6")),
        (5_020, ask(ReportNotReached, "cmd_7", "con_b")),
        (6_000, a_contact_received(3, message=a_message(3, handle=luca), contact_id="con_x")),
        (10_000, a_time_advanced(START_MS + 10_000)),
        (10_010, _accept("anna", "off_a_3", "cmd_8")),
        (10_020, _resolve("anna", "con_a", "cmd_9")),
        (10_030, _presence("anna", "busy", "cmd_10")),
        (11_000, a_contact_received(4, message=a_message(4, handle=luca), contact_id="con_c")),
        (20_000, a_contact_received(5, message=a_message(5, handle=rosa, channel="voice"), contact_id="con_y")),
        (41_000, a_time_advanced(START_MS + 41_000)),
        (41_010, _presence("anna", "available", "cmd_11")),
        (41_020, _accept("anna", "off_b_4", "cmd_12")),
        (41_030, ask(ReportNotReached, "cmd_13", "con_b")),
        (42_000, CustomerLeft(pool=POOL, contact_id="con_c", declines_callback=True)),
    ]


def one_call() -> list[Timed]:
    """Calls that joined what was open already are taken back by their own ids; two contacts of one number become one call."""
    luca, rosa = "tel:+393331234567", "tel:+393337654321"
    orders = a_queue("orders", overflow=(Overflow(when="waited", at_least=30_000, to="callback"),))
    later = CallbackWish(handle=luca, not_before_ms=START_MS + 60_000)

    def decline(contact_id: str) -> CustomerLeft:
        return CustomerLeft(pool=POOL, contact_id=contact_id, declines_callback=True)

    def write(number: int, contact_id: str, wish: CallbackWish | None = None, **message: Any) -> AnyInput:
        return a_contact_received(number, contact_id=contact_id, message=a_message(number, **message), callback=wish)

    return [
        (0, a_configure_pool(queues=(orders,), agents=(an_agent("anna"),))),
        (10, write(1, "con_a")),
        (20, write(1, "con_b", later, provider_id="again")),
        (30, decline("con_b")),
        (40, write(2, "con_c", later)),
        (50, write(3, "con_d", later)),
        (60, decline("con_d")),
        (1_000, write(4, "con_e", handle=rosa, account="sms", channel="sms", thread_id="thr_e")),
        (2_000, write(5, "con_f", handle=rosa, account="whatsapp", channel="whatsapp", thread_id="thr_f")),
        (31_000, a_time_advanced(START_MS + 31_000)),
        (32_000, a_time_advanced(START_MS + 32_000)),
        (33_000, decline("con_f")),
        (34_000, _presence("anna", "available", "cmd_1")),
    ]


def between_pools() -> list[Timed]:
    """A contact goes to another pool, its customer writes and leaves there; one comes from another pool and is over here."""
    orders = a_queue(
        "orders", overflow=(Overflow(when="waited", at_least=5_000, to="pool", target="night", queue="n"),)
    )
    letter = Letter(message_id="msg_there", account="a", subject="Hello", handles=("mailto:x@example.com",))
    handed = ContactHandedOver(
        pool=POOL,
        contact_id="con_there",
        passed=("far",),
        thread_id="thr_there",
        channel="email",
        handle="mailto:x@example.com",
        priority=1,
        received_ms=START_MS - 60_000,
        due_ms=START_MS,
        queue="gone",
        skills={"orders": 1},
        any_of=({"it": 2}, {"en": 1}),
        letter=letter,
        notices=1,
    )
    further = MessageHandedOver(
        pool=POOL,
        contact_id="con_there",
        opens="con_new",
        passed=("far",),
        thread_id="thr_there",
        channel="email",
        handle="mailto:x@example.com",
        received_ms=START_MS,
        letter=replace(letter, message_id="msg_further"),
    )
    return [
        (0, a_configure_pool(queues=(orders,), agents=(an_agent("anna", skills={"orders": 2, "en": 2}),))),
        (10, a_contact_received(1, contact_id="con_a")),
        (5_010, a_time_advanced(START_MS + 5_010)),
        (5_020, a_contact_received(2, message=a_message(1, provider_id="again"), contact_id="con_b")),
        (5_030, CustomerLeft(pool=POOL, contact_id="con_a")),
        (5_040, HandoversAppended(pool=POOL, ids=("con_a", "left:con_a"))),
        (5_050, handed),
        (5_060, handed),
        (5_070, further),
        (5_080, _presence("anna", "available", "cmd_1")),
        (5_090, _accept("anna", "off_there_1", "cmd_2")),
        (5_100, _resolve("anna", "con_there", "cmd_3")),
        (5_110, ForwardedContactEnded(pool=POOL, contact_id="con_a", thread_id=a_message(1).thread_id)),
        (5_120, a_contact_received(3, message=a_message(1, provider_id="once more"), contact_id="con_c")),
    ]


HISTORIES: Final[dict[str, Callable[[], list[Timed]]]] = {
    history.__name__: history
    for history in (
        one_contact,
        nobody_answers,
        a_day_of_three,
        the_pool_changes,
        passing_on_and_holding,
        customers_leave,
        overflowing,
        a_queue_runs_empty,
        called_back,
        between_pools,
        one_call,
    )
}


def play(history: list[Timed]) -> list[Step]:
    """Decide a history anew."""
    state = new_state(POOL)
    steps = []
    for after_ms, event in history:
        facts = step(state, event, START_MS + after_ms)
        steps.append(Step(at_ms=START_MS + after_ms, input=event, facts=tuple(facts), digest=digest(state)))
    return steps


def read(name: str) -> list[Step]:
    """A recorded history, one step a line."""
    decoder = msgspec.json.Decoder(Step)
    return [decoder.decode(line) for line in (FOLDER / f"{name}.jsonl").read_bytes().splitlines()]


def record() -> None:
    """Write the histories that are not recorded yet."""
    for name, history in HISTORIES.items():
        path = FOLDER / f"{name}.jsonl"
        if not path.exists():
            path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in play(history())))


if __name__ == "__main__":
    record()
