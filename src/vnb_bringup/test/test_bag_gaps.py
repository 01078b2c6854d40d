"""Messages that never arrived are counted by their numbers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vnb_bringup.bags.gaps import SequenceGaps


def lost(*numbers: int | None) -> int:
    gaps = SequenceGaps()
    for number in numbers:
        gaps.hear("/t", number)
    return gaps.lost()["/t"]


def test_gaps_are_counted_from_the_first_that_was_heard() -> None:
    assert lost(1, 2, 3) == 0
    assert lost(7, 8) == 0
    assert lost(7, 9, 13) == 4
    assert lost() == lost(None, None) == lost(0, 0) == 0


def test_two_publishers_or_one_that_began_anew_tell_nothing() -> None:
    assert lost(1, 1, 2, 2, 5) == 0
    assert lost(1, 5, 1, 9) == 0
    gaps = SequenceGaps()
    for topic, number in (("/a", 1), ("/b", 1), ("/a", 3), ("/b", 2)):
        gaps.hear(topic, number)
    assert gaps.lost() == {"/a": 1}


@settings(deadline=None)
@given(st.sets(st.integers(1, 200), min_size=2))
def test_what_arrived_and_what_is_missing_are_all(numbers: set[int]) -> None:
    assert lost(*sorted(numbers)) + len(numbers) == max(numbers) - min(numbers) + 1


def test_what_was_sent_after_the_last_arrival_is_missing_too() -> None:
    gaps = SequenceGaps()
    for number in (3, 4, 6):
        gaps.hear("heard", number)
    for number in (5, 5):
        gaps.hear("mixed", number)
    sent = {"heard": (2, 9), "mixed": (0, 9), "silent": (4, 6), "early": (7, 7)}
    assert gaps.behind(sent) == {"heard": 3, "silent": 2}
    assert gaps.lost() == {"heard": 1}
    assert gaps.behind({"heard": (2, 5)}) == {}  # told a little too early
