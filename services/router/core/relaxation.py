"""Asking for less: what a contact that has waited for long still asks for, and when. Decides, and changes nothing.

The place in the order stays. Time is counted from when the customer wrote, or from when the contact came to another queue, and stands
still while the contact is kept back because its queue is closed: a contact of the night is not relaxed in the morning. Called by `due`,
and for the first step by whatever brings a contact into a queue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from libs.common.events.pool import QueueConfiguration, Relaxation
from libs.common.events.routing import ContactRelaxed
from services.router.core import policies
from services.router.core.entities import Contact
from services.router.core.model import PoolState


def relax(state: PoolState, contact: Contact, now_ms: int) -> ContactRelaxed:
    """The contact's next step, which its queue has."""
    queue = state.queues[contact.queue]
    step = queue.relax[contact.relaxed]
    other = None if step.widen is None else state.queues.get(step.widen)
    skills, alternatives = relaxed_needs([dict(one) for one in contact.needs], step, other)
    return ContactRelaxed(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact.id,
        step=contact.relaxed + 1,
        skills=skills,
        alternatives=alternatives,
        relax_ms=relax_ms(state, queue, contact.relax_from_ms, contact.relaxed + 1),
    )


def relax_ms(state: PoolState, queue: QueueConfiguration, from_ms: int, steps: int) -> int:
    """When a contact that has taken so many steps since it came to this queue takes the next one; 0 where there is none."""
    if steps >= len(queue.relax):
        return 0
    after_ms = queue.relax[steps].after_ms
    gate = state.index.terms.gates.get(queue.id)
    calendar = None if gate is None else state.calendars.get(gate)
    return policies.due_ms(calendar, from_ms, after_ms)


def relaxed_needs(
    needs: Sequence[Mapping[str, int]], step: Relaxation, other: QueueConfiguration | None
) -> tuple[dict[str, int], tuple[dict[str, int], ...]]:
    """What is asked for in any case after a step, and the alternatives where there are several. `other`: the queue that it widens to."""
    asked = [_less(one, step) for one in needs]
    if other is not None:
        skills, alternatives = policies.asked_needs(other, {}, ())
        asked += alternatives or (skills,)
    return policies.fewest_needs(asked)


def _less(skills: Mapping[str, int], step: Relaxation) -> dict[str, int]:
    return {
        skill: min(level, step.lower.get(skill, level)) for skill, level in skills.items() if skill not in step.drop
    }
