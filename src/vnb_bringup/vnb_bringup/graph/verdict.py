"""The verdict of a trial as a standard message, for whoever looks."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.duration import Duration
from rclpy.node import Node

from vnb_bringup.report import words
from vnb_bringup.report.record import TrialRecord
from vnb_grasp.nodes import qos

TOPIC = "trial/verdict"
NAME = "trial"

_LEVELS = {"good": DiagnosticStatus.OK, "fair": DiagnosticStatus.WARN, "bad": DiagnosticStatus.ERROR}

_ACK_TIME = Duration(seconds=1)


class VerdictPublisher:
    """Publishes verdicts of a node, also to those who come later.

    Args:
        node: The node.
    """

    def __init__(self, node: Node) -> None:
        self._publisher = node.create_publisher(DiagnosticStatus, TOPIC, qos.LATCHED)

    def publish(self, record: TrialRecord) -> None:
        """Publish the verdict and see to it that it arrives: the node may end right after."""
        self._publisher.publish(verdict_message(record))
        self._publisher.wait_for_all_acked(_ACK_TIME)


def verdict_message(record: TrialRecord) -> DiagnosticStatus:
    """Return headline and sentence as the status's message, and the verdict's figures as its values."""
    return DiagnosticStatus(
        level=_LEVELS[words.tone(record)],
        name=NAME,
        message=f"{words.headline(record)}. {words.sentence(record)}",
        hardware_id=record.scenario.object_name,
        values=[KeyValue(key=name, value=value) for name, value in words.figures(record)],
    )
