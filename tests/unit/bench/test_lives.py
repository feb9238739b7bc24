"""The story that the router's benchmarks tell: whole lives, in which nothing is refused."""

from libs.common.events.inputs import AcceptOffer, ContactReceived, ResolveContact
from libs.common.events.routing import ContactResolved, InputRefused, PoolFact
from libs.common.testing.builders import START_MS
from services.bench.lives import Lives
from services.bench.stack import POOL
from services.router.core.invariants import check
from services.router.core.step import new_state, step


def test_contacts_are_written_taken_and_resolved_and_nothing_is_refused():
    # Given a pool whose agents are all there.
    lives, state = Lives(agents=20), new_state(POOL)
    facts: list[PoolFact] = []
    for event in lives.opening():
        facts += step(state, event, START_MS)

    # When many inputs are given in batches, as they are put on a log.
    given = []
    for number in range(60):
        batch = lives.next_inputs(10, START_MS + number)
        for event in batch:
            followed = step(state, event, START_MS + number)
            lives.tell(followed)
            facts += followed
        given += batch

    # Then each step of a life is among them, in equal parts but for those still open.
    counts = [
        sum(isinstance(event, kind) for event in given) for kind in (ContactReceived, AcceptOffer, ResolveContact)
    ]
    assert sum(counts) == len(given)
    assert min(counts) > 0
    assert max(counts) - min(counts) <= 20
    assert sum(isinstance(fact, ContactResolved) for fact in facts) == counts[2]
    assert not [fact for fact in facts if isinstance(fact, InputRefused)]
    check(state)


def test_the_same_seed_tells_the_same_story():
    first, second = Lives(agents=5, seed=7), Lives(agents=5, seed=7)

    assert first.configuration == second.configuration
    assert first.next_inputs(5, START_MS) == second.next_inputs(5, START_MS)
