"""Where attachments' bytes are kept, under the ids that the events name. A folder; shared between machines it serves several replicas.

Bytes are there before the record that names them is appended, so a record never names what is not there. Called by ingest (put) and by
the agent API and the senders (get).
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec

from libs.common.errors import OutageError, RefusedError

_ID: Final = re.compile(r"[A-Za-z0-9_-]{4,128}")


class BlobIdInvalidError(RefusedError):
    """A blob's id is 4 to 128 letters, digits, `_` and `-`."""


class BlobsUnavailableError(OutageError):
    """The folder of attachments cannot be read or written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes and their media type."""

    content: bytes
    content_type: str


class BlobStore(Protocol):
    """Keeps bytes under an id that follows from them: the same id always means the same bytes."""

    async def put(self, blob_id: str, content: bytes, content_type: str) -> None:
        """Keep the bytes, durable when this returns; again the same is no change. Raises BlobIdInvalidError, BlobsUnavailableError."""
        ...

    async def get(self, blob_id: str) -> Blob | None:
        """The bytes, or None where there are none (yet). Raises BlobIdInvalidError, BlobsUnavailableError."""
        ...

    async def delete(self, blob_id: str) -> None:
        """Forget the bytes, if there are any. Raises BlobIdInvalidError, BlobsUnavailableError."""
        ...


class FolderBlobs:
    """Two files per blob in a folder: the bytes, and beside them `.json` with the media type.

    The bytes' file is renamed into its place last, and its being there means that all is there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, blob_id: str, content: bytes, content_type: str) -> None:
        """See `BlobStore.put`."""
        path = self._path(blob_id)
        with _outages():
            await asyncio.to_thread(_write_blob, path, content, content_type)

    async def get(self, blob_id: str) -> Blob | None:
        """See `BlobStore.get`."""
        path = self._path(blob_id)
        with _outages():
            return await asyncio.to_thread(_read_blob, path)

    async def delete(self, blob_id: str) -> None:
        """See `BlobStore.delete`."""
        path = self._path(blob_id)
        with _outages():
            await asyncio.to_thread(_delete_blob, path)

    def _path(self, blob_id: str) -> Path:
        if not _ID.fullmatch(blob_id):
            raise BlobIdInvalidError
        # Ids end in random letters: a thousand folders keep each one short.
        return self._folder / blob_id[-2:].lower() / blob_id


@contextmanager
def _outages() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BlobsUnavailableError(f"the folder of attachments: {error.strerror or type(error).__name__}") from error


def _described_by(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _write_blob(path: Path, content: bytes, content_type: str) -> None:
    if path.exists():
        return
    missing = [folder for folder in (path.parent, *path.parents) if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_whole(_described_by(path), msgspec.json.encode({"content_type": content_type}))
    _write_whole(path, content)
    # A file's name is durable only when its folder is; that goes for folders that were just made too.
    for folder in (path.parent, *(folder.parent for folder in missing)):
        _sync_folder(folder)


def _write_whole(path: Path, content: bytes) -> None:
    """The file with this content is there, whole and on the disk, or nothing is."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_blob(path: Path) -> Blob | None:
    try:
        content = path.read_bytes()
        description = msgspec.json.decode(_described_by(path).read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return None
    return Blob(content=content, content_type=description["content_type"])


def _delete_blob(path: Path) -> None:
    path.unlink(missing_ok=True)
    _described_by(path).unlink(missing_ok=True)
    if path.parent.exists():
        _sync_folder(path.parent)
