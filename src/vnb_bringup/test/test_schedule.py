"""When messages are due again: rate, start, loop, clock."""

from __future__ import annotations

import math
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnb_bringup.bags.reader import BagMessage
from vnb_bringup.bags.schedule import Due, PlayOptions, schedule
from vnb_grasp.errors import ConfigError

SECOND = 1_000_000_000
BEGIN = 100 * SECOND


def messages(*times: float) -> list[BagMessage]:
    return [BagMessage("/t", BEGIN + round(time * SECOND), 0, b"") for time in times]


def due(found: list[Due]) -> list[float]:
    return [round(item.after, 9) for item in found]


def test_messages_keep_their_distances_at_any_rate() -> None:
    given_messages = messages(0.0, 0.5, 2.0)
    for rate in (0.5, 1.0, 4.0):
        found = list(schedule(lambda: given_messages, BEGIN, PlayOptions(rate=rate)))
        assert due(found) == [0.0, 0.5 / rate, 2.0 / rate]
        assert [item.message for item in found] == given_messages


def test_a_loop_goes_on_where_it_ended() -> None:
    found = list(islice(schedule(lambda: messages(0.0, 1.0, 3.0), BEGIN, PlayOptions(loop=True)), 7))
    assert due(found) == [0.0, 1.0, 3.0, 3.0, 4.0, 6.0, 6.0]
    assert [item.time for item in found] == [BEGIN + t * SECOND for t in (0, 1, 3, 0, 1, 3, 0)]


def test_an_empty_bag_does_not_loop_for_ever() -> None:
    assert list(schedule(list, BEGIN, PlayOptions(loop=True, clock=10.0))) == []


def test_a_bag_of_one_moment_does_not_spin() -> None:
    found = list(islice(schedule(lambda: messages(0.0), BEGIN, PlayOptions(loop=True)), 3))
    assert due(found)[-1] > 0.0


def test_the_clock_ticks_evenly_between_messages() -> None:
    found = list(schedule(lambda: messages(0.0, 1.0), BEGIN, PlayOptions(clock=4.0)))
    ticks = [item for item in found if item.message is None]
    assert due(ticks) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [item.time - BEGIN for item in ticks] == [round(t * SECOND) for t in (0.0, 0.25, 0.5, 0.75, 1.0)]
    slow = [
        item for item in schedule(lambda: messages(0.0, 1.0), BEGIN, PlayOptions(0.5, clock=4.0)) if not item.message
    ]
    assert len(slow) == 9
    assert due(slow)[1] == 0.25, "the frequency is of the wall clock"


@given(
    times=st.lists(st.floats(0.0, 10.0), min_size=1, max_size=20).map(sorted),
    rate=st.floats(0.1, 10.0),
    clock=st.sampled_from([0.0, 3.0, 50.0]),
)
def test_nothing_is_due_before_what_came_before_it(times: list[float], rate: float, clock: float) -> None:
    found = list(schedule(lambda: messages(*times), BEGIN, PlayOptions(rate, clock=clock)))
    assert [item.message for item in found if item.message] == messages(*times)
    assert all(a.after <= b.after + 1e-9 and a.time <= b.time for a, b in pairwise(found))


@pytest.mark.parametrize(
    "wrong",
    [{"rate": 0.0}, {"rate": math.nan}, {"rate": math.inf}, {"start": -1.0}, {"clock": -1.0}, {"clock": math.nan}],
)
def test_wrong_options_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="expected a rate above 0"):
        PlayOptions(**wrong)
