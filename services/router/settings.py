"""The router's settings: the common ones, and the limits of its batches and snapshots.

Read once by the command line; the composition root hands them on. It must not hold anything that decides about contacts.
"""

from __future__ import annotations

from pydantic import Field

from libs.common.settings import CommonSettings

_HOUR_MS = 3_600_000


class RouterSettings(CommonSettings):
    """How much one batch may hold, and when a snapshot is due: after so many records of output or so much time, whichever is first.

    A batch stays well below what one append may hold (`libs.common.log.batch`). `router_snapshot_interval_ms` stays within a day,
    so that every stream's retention covers several snapshots.
    """

    router_poll_records_max: int = Field(default=500, ge=1, le=10_000)
    router_batch_records_max: int = Field(default=2_000, ge=2, le=50_000)
    router_batch_bytes_max: int = Field(default=800_000, ge=64 * 1024, le=900_000)
    router_snapshot_records: int = Field(default=50_000, ge=1)
    router_snapshot_interval_ms: int = Field(default=_HOUR_MS, ge=1_000, le=24 * _HOUR_MS)
    router_snapshot_chunk_bytes: int = Field(default=64 * 1024, ge=1024, le=512 * 1024)
