"""Who may see and do what. An agent sees the own pool and acts on the own work; supervisors act for their pool, administrators for all.

What one may not see is answered like what does not exist. Called by routes and the stream.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends

from libs.common.http.auth import Principal, Role, require
from libs.common.http.problem import ProblemError
from libs.common.plain_sql import PlainSession
from services.agent_api.parts import Parts, started_parts
from services.agent_api.store.lookups import look_up_viewer
from services.agent_api.store.rows import ContactRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who asks. `pool` None: an administrator who is no agent."""

    id: str
    name: str
    role: Role
    pool: str | None

    @property
    def supervises(self) -> bool:
        """Whether this is a supervisor or above."""
        return self.role.rank >= Role.SUPERVISOR.rank

    @property
    def pools(self) -> frozenset[str] | None:
        """The pools that may be seen; None: all."""
        if self.role is Role.ADMIN:
            return None
        return frozenset() if self.pool is None else frozenset({self.pool})

    def sees(self, pool: str) -> bool:
        """Whether contacts and agents of this pool may be seen."""
        pools = self.pools
        return pools is None or pool in pools

    def may_act_on(self, contact: ContactRow) -> bool:
        """Whether this is the contact's agent, or somebody who may act for any of the pool's."""
        return contact.agent_id == self.id or (self.supervises and self.sees(contact.pool))


async def find_viewer(parts: Parts, session: PlainSession, principal: Principal) -> Viewer:
    """The viewer behind a token. Raises ProblemError 403 `agent-unknown` for an agent who is not configured any more."""
    known = await look_up_viewer(session, principal.id)
    configured = parts.configuration.agents.get(principal.id)
    if known is not None:
        pool, name = known
        return Viewer(id=principal.id, name=name, role=principal.role, pool=pool)
    if configured is not None:
        return Viewer(id=principal.id, name=configured.name, role=principal.role, pool=configured.pool)
    if principal.role is Role.ADMIN:
        return Viewer(id=principal.id, name=principal.id, role=principal.role, pool=None)
    raise ProblemError(403, "agent-unknown", "Agent unknown", "This agent is not configured here.")


def viewer_of(role: Role = Role.AGENT) -> Callable[..., Coroutine[Any, Any, Viewer]]:
    """A route's dependency: the caller, at least of this role."""
    allowed = require(kind="agent", role=role)

    # As defaults, because a name of this scope cannot stand in an annotation.
    async def find(principal: Principal = Depends(allowed), parts: Parts = Depends(started_parts)) -> Viewer:
        async with parts.looking_up() as session:
            viewer = await find_viewer(parts, session, principal)
        parts.attendance.note(viewer.pool, viewer.id)
        return viewer

    return find


AnyViewer = Annotated[Viewer, Depends(viewer_of())]
SupervisingViewer = Annotated[Viewer, Depends(viewer_of(Role.SUPERVISOR))]
ServiceParts = Annotated[Parts, Depends(started_parts)]
