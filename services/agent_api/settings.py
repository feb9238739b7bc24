"""The agent API's settings: the common ones and a few bounds of its own. Read once by the command line, handed to `compose`."""

from __future__ import annotations

from pydantic import Field

from libs.common.settings import CommonSettings


class AgentApiSettings(CommonSettings):
    """`session_ms`: how long a token from signing in is good. `command_wait_ms`: how long a request waits for the router.

    `ticket_ms`: how long a stream's ticket is good. `stream_ms`: how long a stream lasts before its client has to show again who it
    is. `ping_ms`: how often a stream shows that it lives. `reply_bytes_max`: the largest body of a reply, attachments included (base64).
    """

    session_ms: int = Field(default=12 * 3_600_000, ge=60_000)
    command_wait_ms: int = Field(default=2_000, ge=0, le=60_000)
    ticket_ms: int = Field(default=30_000, ge=1_000)
    stream_ms: int = Field(default=3_600_000, ge=100)
    ping_ms: int = Field(default=20_000, ge=100)
    reply_bytes_max: int = Field(default=15 * 1024 * 1024, ge=1024)
