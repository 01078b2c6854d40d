"""Writing beside receiving: in order, within its memory, and with every failure told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from vnb_bringup.bags.background import BackgroundWriter
from vnb_bringup.bags.metadata import BagInfo
from vnb_bringup.bags.reader import BagReader
from vnb_bringup.bags.testing import START, TOPICS, read_bag, texts
from vnb_bringup.bags.writer import BagWriter
from vnb_grasp.errors import BagError


class Stuck(BagWriter):
    """A writer whose disk does not answer until it is released, or that fails."""

    def __init__(self, folder: Path, fails: bool = False) -> None:
        super().__init__(folder)
        self.entered, self.released, self._fails = threading.Event(), threading.Event(), fails

    def write(self, *args: Any, **kwargs: Any) -> None:
        self.entered.set()
        assert self.released.wait(20.0)
        if self._fails:
            raise OSError(28, "No space left on device")
        super().write(*args, **kwargs)


def test_what_is_put_is_written_in_order(tmp_path: Path) -> None:
    background = BackgroundWriter(BagWriter(tmp_path / "bag"), period=0.001)
    background.add_topic(*TOPICS[1])
    for number, message in enumerate(texts(500)):
        background.put(*message)
        if number == 250:
            background.add_topic(*TOPICS[0])
            background.note({"told": "later"})
    info = background.close()
    assert info.count == 500
    assert info.custom == {"told": "later"}
    assert read_bag(tmp_path / "bag") == texts(500)
    assert background.dropped == {}


def test_memory_is_bounded_and_what_is_dropped_is_counted(tmp_path: Path) -> None:
    writer = Stuck(tmp_path / "bag")
    background = BackgroundWriter(writer, memory=1000, period=0.001)
    for topic in TOPICS:
        background.add_topic(*topic)
    background.put("/text", START, START, bytes(100))
    assert writer.entered.wait(20.0)
    for _ in range(12):
        background.put("/stamped", START, START, bytes(100))
    background.put("/text", START, START, bytes(2000))
    writer.released.set()
    info = background.close()
    assert background.dropped == {"/stamped": 3, "/text": 1}
    assert info.counts == {"/stamped": 9, "/text": 1}


class Slow(BagWriter):
    """A writer that writes as many messages as it is allowed to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.allowed = threading.Semaphore(0)

    def write(self, *args: Any, **kwargs: Any) -> None:
        assert self.allowed.acquire(timeout=60.0)
        super().write(*args, **kwargs)


def test_what_is_written_makes_room_before_the_rest_of_its_batch(tmp_path: Path) -> None:
    writer, megabyte = Slow(tmp_path / "bag"), bytes(1 << 20)
    background = BackgroundWriter(writer, memory=3 << 20, period=0.2)
    background.add_topic(*TOPICS[1])
    for _ in range(3):
        background.put("/text", START, START, megabyte)
    writer.allowed.release()
    pause = threading.Event()
    for _ in range(6000):
        if background._bytes < 3 << 20:
            break
        pause.wait(0.01)
    background.put("/text", START, START, megabyte)
    assert background.dropped == {}
    writer.allowed.release(3)
    assert background.close().counts == {"/text": 4}


def test_a_full_disk_is_told_and_nothing_waits_for_it(tmp_path: Path) -> None:
    writer = Stuck(tmp_path / "bag", fails=True)
    background = BackgroundWriter(writer, period=0.001)
    background.add_topic(*TOPICS[1])
    writer.released.set()
    background.put("/text", START, START, b"")
    background._thread.join(20.0)
    assert isinstance(background.error, OSError)
    background.put("/text", START, START, b"")
    assert background.dropped == {"/text": 1}
    with pytest.raises(BagError, match=r"could not be written to its end.*No space left"):
        background.close()


def test_a_disk_that_is_full_at_the_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = BagWriter(tmp_path / "bag")
    background = BackgroundWriter(writer, period=0.001)

    def fail() -> BagInfo:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "close", fail)
    with pytest.raises(BagError, match=r"could not be written to its end.*No space left"):
        background.close()


def test_what_was_flushed_is_readable_while_it_is_recorded(tmp_path: Path) -> None:
    background = BackgroundWriter(BagWriter(tmp_path / "bag"), period=0.001)
    background.add_topic(*TOPICS[1])
    background.put(*texts(1)[0])
    path, pause = tmp_path / "bag", threading.Event()
    for _ in range(2000):
        if path.joinpath("bag_0.mcap").stat().st_size > 200:
            break
        pause.wait(0.01)
    with BagReader(path) as bag:
        assert not bag.complete
        assert [message.data for message in bag.messages()] == [texts(1)[0][3]]
    background.close()
