"""For whom a waiting contact is kept, and when too many have declined it. Functions of what they are handed alone.

Called by `index`, which arranges waiting contacts by it, and by `decide_offers` for contacts that are taken by name.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.router.core.capability import Capability
from services.router.core.desk import Desk
from services.router.core.entities import Contact


def kept_for(contact: Contact, desks: Mapping[str, Desk], capability: Capability, now_ms: int) -> str | None:
    """The agent whom the contact is for alone: as long as he is available, fits, and has not just declined it."""
    agent_id = contact.only_agent
    if agent_id is None or contact.only_until_ms <= now_ms:
        return None
    desk = desks.get(agent_id)
    if desk is None or not desk.available or not capability.requirement(contact.needs).fits(desk.mask):
        return None
    declined = any(decline.agent_id == agent_id and decline.until_ms > now_ms for decline in contact.declines)
    return None if declined else agent_id


def must_flag(contact: Contact, enough: int) -> bool:
    """Whether so many agents (0: never) have declined a contact that somebody is to be told, and nobody was yet."""
    if not enough or contact.flagged or len(contact.declines) < enough:
        return False
    return sum(decline.count > 0 for decline in contact.declines) >= enough
