"""What the nodes share: parameters, joining by stamp, conversions, the error border."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

import rclpy
from builtin_interfaces.msg import Time
from rclpy.action import ActionClient, ActionServer
from rclpy.context import Context
from rclpy.parameter import Parameter
from vnb_msgs.action import ExecuteGrasp
from vnb_msgs.msg import ErrorCode

from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError
from vnb_grasp.frames.pose import Pose
from vnb_grasp.frames.se3 import random_rotation
from vnb_grasp.nodes.base import VnbNode, fill
from vnb_grasp.nodes.conversions import (
    in_order,
    nanoseconds,
    pose_from_message,
    pose_to_message,
    require_pose,
    seconds,
    stamp_from_seconds,
)
from vnb_grasp.nodes.join import StampJoin
from vnb_grasp.nodes.parameters import attribute_descriptions, declare, parameter

pytestmark = pytest.mark.ros


@dataclass(frozen=True)
class Inner:
    """An inner configuration.

    Attributes:
        depth, width: How deep and
            wide [m].
        name: Its name.
    """

    depth: float = 1.5
    width: float = 2.5
    name: str = "x"


@dataclass(frozen=True)
class Outer:
    """An outer configuration."""

    count: int = parameter(3, "how many", 1, 5)
    speed: float = parameter(0.5, "how fast [m/s]", 0.0, 1.0)
    on: bool = parameter(True, "whether")
    starts: tuple[float, ...] = parameter((0.1, 0.2), "where from")
    inner: Inner = field(default_factory=Inner)
    table: Any = None


@pytest.fixture
def context() -> Iterator[Context]:
    made = Context()
    rclpy.init(context=made, domain_id=101)
    yield made
    rclpy.try_shutdown(context=made)


def make_node(context: Context, **values: Any) -> VnbNode:
    overrides = [Parameter(name.replace("__", "."), value=value) for name, value in values.items()]
    return VnbNode("tested", context=context, parameter_overrides=overrides, enable_rosout=False)


def test_parameters_are_those_of_the_dataclass(context: Context) -> None:
    node = make_node(context, count=5, inner__width=4.0, starts=[1.0])
    got = declare(node, Outer)
    assert got == Outer(count=5, inner=Inner(width=4.0), starts=(1.0,))
    assert node.describe_parameter("speed").description == "how fast [m/s]"
    assert node.describe_parameter("speed").floating_point_range[0].to_value == 1.0
    assert node.describe_parameter("count").integer_range[0].from_value == 1
    assert node.describe_parameter("inner.width").description == "How deep and wide [m]."
    assert not node.has_parameter("table")
    node.destroy_node()


def test_a_destroyed_node_leaves_the_graph_with_its_actions(context: Context) -> None:
    node = make_node(context)
    server = ActionServer(node, ExecuteGrasp, "grasp", lambda goal: ExecuteGrasp.Result())
    client = ActionClient(node, ExecuteGrasp, "grasp")
    watcher = VnbNode("watcher", context=context, enable_rosout=False)
    assert set(watcher.get_node_names()) == {"tested", "watcher"}
    node.destroy_node()
    assert set(watcher.get_node_names()) == {"watcher"}
    watcher.destroy_node()
    del server, client  # kept until here: the node must not leave by their being collected


@pytest.mark.parametrize("values", [{"count": 6}, {"speed": -0.1}, {"on": "maybe"}, {"count": 2.5}])
def test_a_parameter_out_of_range_or_of_another_type_is_refused_by_name(
    context: Context, values: dict[str, Any]
) -> None:
    node = make_node(context, **values)
    with pytest.raises(ConfigError, match=next(iter(values))):
        declare(node, Outer)
    node.destroy_node()


def test_descriptions_come_from_the_docstring() -> None:
    text = attribute_descriptions(Inner)
    assert text == {"depth": "How deep and wide [m].", "width": "How deep and wide [m].", "name": "Its name."}


def message(stamp: int, value: str) -> SimpleNamespace:
    return SimpleNamespace(header=SimpleNamespace(stamp=Time(sec=0, nanosec=stamp)), value=value)


@given(st.permutations([(stamp, name) for stamp in (1, 2, 3) for name in "abc"]))
def test_a_join_gives_every_set_once_whatever_the_order(order: list[tuple[int, str]]) -> None:
    sets: list[dict[str, Any]] = []
    join = StampJoin("abc", sets.append)
    for stamp, name in order:
        join.add(name, message(stamp, f"{name}{stamp}"))
    got = sorted(sorted(part.value for part in parts.values()) for parts in sets)
    assert got == [[f"{name}{stamp}" for name in "abc"] for stamp in (1, 2, 3)]


def test_a_cleared_join_has_forgotten() -> None:
    sets: list[dict[str, Any]] = []
    join = StampJoin("ab", sets.append)
    join.add("a", message(1, "old"))
    join.clear()
    join.add("b", message(1, "b"))
    assert sets == []
    join.add("a", message(1, "new"))
    assert [parts["a"].value for parts in sets] == ["new"]


def test_a_join_forgets_the_oldest_incomplete_sets() -> None:
    sets: list[dict[str, Any]] = []
    join = StampJoin("ab", sets.append, keep=2)
    for stamp in (1, 2, 3):
        join.add("a", message(stamp, "a"))
    for stamp in (2, 3):
        join.add("b", message(stamp, "b"))
    join.add("b", message(1, "b"))
    assert [parts["b"].header.stamp.nanosec for parts in sets] == [2, 3]


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_keep_every_nanosecond(time: int) -> None:
    stamp = Time(sec=time // 10**9, nanosec=time % 10**9)
    assert nanoseconds(stamp) == time
    if time < 10**15:  # where a double still tells nanoseconds apart
        assert nanoseconds(stamp_from_seconds(seconds(stamp))) == time


def test_a_pose_survives_its_message_to_the_bit() -> None:
    generator = torch.Generator().manual_seed(0)
    for rotation in random_rotation(generator, (50,)):
        transform = torch.eye(4, dtype=torch.float64)
        transform[:3, :3] = rotation
        transform[:3, 3] = torch.randn(3, generator=generator, dtype=torch.float64)
        pose = Pose.from_matrix(transform)
        back = pose_from_message(pose_to_message(pose))
        assert torch.equal(back.matrix(), pose.matrix())
        torch.testing.assert_close(pose.matrix(), transform, rtol=0, atol=1e-14)


def test_a_requested_pose_must_be_finite_and_of_unit_length() -> None:
    with pytest.raises(ConfigError, match="nan"):
        require_pose(pose_to_message(Pose.unknown()), "goal")
    double = Pose(torch.zeros(3, dtype=torch.float64), torch.tensor([2.0, 0, 0, 0], dtype=torch.float64))
    with pytest.raises(ConfigError, match="unit"):
        require_pose(pose_to_message(double), "goal")


def test_joint_values_are_put_in_order_by_name() -> None:
    np.testing.assert_array_equal(in_order("abc", ["c", "a", "b"], [3.0, 1.0, 2.0], "q"), [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(in_order("ab", [], [1.0, 2.0], "q"), [1.0, 2.0])
    assert math.isnan(in_order("ab", ["b", "a"], [math.nan, 1.0], "q")[1])
    with pytest.raises(ConfigError, match="b missing"):
        in_order("ab", ["a"], [1.0], "q")
    with pytest.raises(ShapeError, match="3 values"):
        in_order("ab", ["a", "b"], [1.0, 2.0, 3.0], "q")


def test_the_border_turns_errors_into_codes(context: Context) -> None:
    node = make_node(context)
    for error, code in ((NonFiniteError("bad"), ErrorCode.NON_FINITE), (KeyError("odd"), ErrorCode.INTERNAL)):
        answer = SimpleNamespace(error_code=0, error_message="")
        with node.border(fill(answer)):
            raise error
        assert answer.error_code == code
        assert answer.error_message
    answer = SimpleNamespace(error_code=0, error_message="")
    with node.border(fill(answer)):
        pass
    assert (answer.error_code, answer.error_message) == (0, "")
    with pytest.raises(KeyboardInterrupt), node.border():
        raise KeyboardInterrupt
    node.destroy_node()
