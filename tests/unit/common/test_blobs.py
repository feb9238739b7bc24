import asyncio
from pathlib import Path

import pytest

from libs.common.blobs import Blob, BlobIdInvalidError, BlobsUnavailableError, FolderBlobs
from libs.common.ids import attachment_id

ID = attachment_id("digest")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def leave_as_after_a_crash(folder: Path) -> None:
    (path,) = folder.rglob(ID)
    path.unlink()
    path.with_name(f".{ID}.0123456789abcdef").write_bytes(b"half")


async def test_bytes_come_back_with_their_type(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "new" / "blobs")

    await blobs.put(ID, b"\x00\xff", "image/png")

    assert await blobs.get(ID) == Blob(content=b"\x00\xff", content_type="image/png")


async def test_what_was_never_put_is_none(tmp_path: Path) -> None:
    assert await FolderBlobs(tmp_path / "missing").get(ID) is None


async def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)

    await blobs.put(ID, b"a", "text/plain")
    await blobs.put(ID, b"a", "text/plain")

    assert files(tmp_path) == [ID, f"{ID}.json"]


async def test_many_at_once_under_one_id_leave_one_whole_blob(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)

    await asyncio.gather(*(blobs.put(ID, b"a" * 100_000, "text/plain") for _ in range(20)))

    assert await blobs.get(ID) == Blob(content=b"a" * 100_000, content_type="text/plain")
    assert files(tmp_path) == [ID, f"{ID}.json"]


async def test_a_deleted_blob_is_gone_and_can_come_again(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    await blobs.put(ID, b"a", "text/plain")

    await blobs.delete(ID)
    await blobs.delete(ID)

    assert await blobs.get(ID) is None
    assert files(tmp_path) == []
    await blobs.put(ID, b"a", "text/plain")
    assert await blobs.get(ID) == Blob(content=b"a", content_type="text/plain")


async def test_after_a_crash_between_the_two_files_the_blob_is_not_there_and_can_be_put(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    await blobs.put(ID, b"a", "text/plain")
    # The bytes are renamed into place last: a crash before that leaves the description, and perhaps a draft.
    leave_as_after_a_crash(tmp_path)

    assert await blobs.get(ID) is None
    await blobs.put(ID, b"a", "text/plain")

    assert await blobs.get(ID) == Blob(content=b"a", content_type="text/plain")


@pytest.mark.parametrize(
    "blob_id",
    [
        "",
        "abc",
        ".",
        "..",
        "../secret",
        "a/../../b",
        "/etc/passwd",
        "att_a\x00b",
        "att_a b",
        "att_à",
        "x" * 129,
        "att\n",
        "a.json",
    ],
)
async def test_an_id_cannot_leave_the_folder(tmp_path: Path, blob_id: str) -> None:
    folder = tmp_path / "blobs"
    blobs = FolderBlobs(folder)

    with pytest.raises(BlobIdInvalidError):
        await blobs.put(blob_id, b"a", "text/plain")
    with pytest.raises(BlobIdInvalidError):
        await blobs.get(blob_id)
    with pytest.raises(BlobIdInvalidError):
        await blobs.delete(blob_id)
    assert not folder.exists()


async def test_a_folder_that_cannot_be_written_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    blobs = FolderBlobs(tmp_path / "file")

    with pytest.raises(BlobsUnavailableError):
        await blobs.put(ID, b"a", "text/plain")
    with pytest.raises(BlobsUnavailableError):
        await blobs.get(ID)
