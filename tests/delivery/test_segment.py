"""One file: reserved, locked, and short to replay."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agentcore_metering.delivery.segment import HEADER_BYTES, Segment

CAPACITY = 4096


@pytest.fixture
def segment(tmp_path: Path) -> Iterator[Segment]:
    made = Segment.create(tmp_path / "host-1-a-000001.jnl", CAPACITY)
    yield made
    made.close()


def die(segment: Segment) -> Path:
    """As the kernel does for a dead process: the descriptor goes, the file stays."""
    segment.close()
    return segment.path


def test_create_reserves_the_room_for_its_owner_alone(segment: Segment) -> None:
    facts = segment.path.stat()

    assert facts.st_size == CAPACITY
    assert facts.st_blocks * 512 >= CAPACITY
    assert stat.S_IMODE(facts.st_mode) == 0o600
    assert [path.name for path in segment.path.parent.iterdir()] == [segment.path.name]


def test_create_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(fd: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_space)

    with pytest.raises(OSError, match="no space"):
        Segment.create(tmp_path / "host-1-a-000001.jnl", CAPACITY)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL])
def test_create_where_nothing_can_be_reserved_makes_it_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def unsupported(fd: int, offset: int, length: int) -> None:
        raise OSError(code, "not here")

    monkeypatch.setattr(os, "posix_fallocate", unsupported)

    segment = Segment.create(tmp_path / "host-1-a-000001.jnl", CAPACITY)

    assert segment.path.stat().st_size == CAPACITY
    segment.close()


def test_append_is_in_the_file_on_return(segment: Segment) -> None:
    segment.append(b"one\n")
    segment.append(b"two\n")

    assert segment.path.read_bytes()[HEADER_BYTES:].startswith(b"one\ntwo\n\0")
    assert segment.read(HEADER_BYTES, segment.end, 100) == b"one\ntwo\n"


def test_append_during_an_append_gets_a_place_of_its_own(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite

    def interrupted_pwrite(fd: int, line: bytes, offset: int) -> int:
        monkeypatch.setattr(os, "pwrite", pwrite)
        segment.append(b"from a signal handler\n")
        return pwrite(fd, line, offset)

    monkeypatch.setattr(os, "pwrite", interrupted_pwrite)
    segment.append(b"outer\n")

    assert segment.read(HEADER_BYTES, segment.end, 100) == b"outer\nfrom a signal handler\n"


def test_short_write_is_an_error_and_ends_the_segment(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, line, offset: pwrite(fd, line[:3], offset))

    with pytest.raises(OSError, match="only 3 of 6 bytes"):
        segment.append(b"whole\n")

    assert not segment.has_room(1)


def test_read_gives_whole_lines(segment: Segment) -> None:
    segment.append(b"first line\n")
    segment.append(b"second line\n")

    assert segment.read(HEADER_BYTES, segment.end, 15) == b"first line\n"


def test_adopt_of_a_living_owners_segment_is_none(segment: Segment) -> None:
    assert Segment.adopt(segment.path) is None


def test_adopt_of_a_dead_owners_segment_begins_where_it_was_acknowledged(segment: Segment) -> None:
    segment.append(b"delivered\n")
    segment.acknowledge(segment.end)
    segment.append(b"waiting\n")

    adopted = Segment.adopt(die(segment))

    assert adopted is not None
    assert adopted.read(adopted.delivered, adopted.end, 100).startswith(b"waiting\n")
    adopted.close()


@pytest.mark.parametrize("header", [b"\0" * HEADER_BYTES, b"x" * HEADER_BYTES, b"00000000 ack 0000004000\n"])
def test_adopt_with_a_damaged_header_begins_at_the_first_line(segment: Segment, header: bytes) -> None:
    segment.append(b"line\n")
    path = die(segment)
    with path.open("r+b") as file:
        file.write(header)

    adopted = Segment.adopt(path)

    assert adopted is not None
    assert adopted.delivered == HEADER_BYTES
    adopted.close()


def test_adopt_of_a_file_shorter_than_a_header_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "short.jnl").write_bytes(b"abc")

    adopted = Segment.adopt(tmp_path / "short.jnl")

    assert adopted is not None
    assert adopted.unread_bytes <= 0
    adopted.close()


def test_adopt_of_a_removed_segment_is_none(segment: Segment) -> None:
    segment.retire()

    assert Segment.adopt(segment.path) is None


def test_adopt_of_a_segment_that_goes_meanwhile_is_none(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    os_open = os.open

    def open_as_it_goes(path: Path, flags: int) -> int:
        fd = os_open(path, flags)
        segment.retire()
        return fd

    monkeypatch.setattr(os, "open", open_as_it_goes)

    assert Segment.adopt(segment.path) is None


def test_adopt_does_not_follow_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"secret")
    (tmp_path / "host-1-a-000001.jnl").symlink_to(tmp_path / "target")

    with pytest.raises(OSError, match="symbolic link"):
        Segment.adopt(tmp_path / "host-1-a-000001.jnl")


@pytest.mark.parametrize("refused", ["flock", "pread", "fstat"])
@pytest.mark.parametrize("take", [Segment.adopt, Segment.view])
def test_segment_that_a_bad_disk_does_not_give_leaves_no_descriptor_open(
    segment: Segment, monkeypatch: pytest.MonkeyPatch, take: Callable[[Path], Segment | None], refused: str
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    path = die(segment)
    before = sorted(Path("/dev/fd").iterdir())
    with monkeypatch.context() as patched:
        patched.setattr(fcntl if refused == "flock" else os, refused, refuse)
        with suppress(OSError):
            if (found := take(path)) is not None:
                found.close()

    assert sorted(Path("/dev/fd").iterdir()) == before


def test_create_does_not_write_to_a_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "host-1-a-000001.jnl.tmp").symlink_to(tmp_path / "target")

    with pytest.raises(FileExistsError):
        Segment.create(tmp_path / "host-1-a-000001.jnl", CAPACITY)

    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, []),
        ({"unreadable_lines": 1}, ["host-1-a-000001.jnl.corrupt"]),
        ({"unreadable_lines": 1, "newer_version": 2}, ["host-1-a-000001.jnl.v2"]),
    ],
    ids=["delivered", "damaged", "of a newer release"],
)
def test_retire_keeps_only_what_could_not_be_read(
    segment: Segment, changes: dict[str, object], names: list[str]
) -> None:
    for name, value in changes.items():
        setattr(segment, name, value)

    segment.retire()

    assert [path.name for path in segment.path.parent.iterdir()] == names


def test_leave_gives_back_the_room_that_was_not_needed(segment: Segment) -> None:
    segment.append(b"line\n")

    segment.leave()

    assert segment.path.stat().st_size == HEADER_BYTES + len(b"line\n")


def test_sync_asks_the_disk_only_for_what_is_new(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)

    segment.sync()
    segment.append(b"line\n")
    segment.sync()
    segment.sync()

    assert len(synced) == 1


def test_create_on_a_platform_that_cannot_reserve_makes_it_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fallocate")

    segment = Segment.create(tmp_path / "host-1-a-000001.jnl", CAPACITY)

    assert segment.path.stat().st_size == CAPACITY
    segment.close()
