"""Run one trial through a graph whose nodes run elsewhere, and end."""

from __future__ import annotations

import shlex
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rclpy.signals import SignalHandlerOptions

from vnb_bringup.graph.conductor import TrialConductor
from vnb_bringup.graph.roster import GraphSettings
from vnb_bringup.report import words
from vnb_bringup.report.folder import Pictures, prepare_folder, write_folder
from vnb_bringup.report.local import TrialSettings
from vnb_bringup.report.record import TrialRecord
from vnb_grasp.errors import VnbError
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_grasp.nodes.run import spinning
from vnb_sim_bridge.conditions import Conditions
from vnb_sim_bridge.scenario import draw_scenario

INTERRUPTED = 130


@dataclass(frozen=True)
class TrialNodeConfig:
    """Parameters of the node."""

    object_name: str = parameter("mustard_bottle", "object to grasp")
    hand: str = parameter("l6_v31", "hand variant; that of the other nodes")
    regime: str = parameter("bimodal", "friction regime that the object's friction is drawn from")
    seed: int = parameter(0, "seed of everything that is drawn", 0)
    method: str = parameter("vnb", "method that moves the fingers")
    belief: str = parameter("learned", "belief of the belief node; it is only written down here")
    checkpoint: str = parameter("", "checkpoint of the belief node; empty is the shipped one")
    beta: float = parameter(0.9, "confidence level of the risk; 0 is the mean", 0.0, 0.9999)
    max_steps: int = parameter(0, "decision steps at most; 0 leaves it to the method", 0, 10_000)
    battery: bool = parameter(True, "run the 28 disturbance tests")
    pose_source: str = parameter("sensor", "as for the bridge")
    lockstep: bool = parameter(True, "as for the bridge")
    out: str = parameter("", "folder of the report; empty writes none")


class TrialNode(TrialConductor):
    """A conductor with parameters for one trial."""

    def __init__(self, **options: Any) -> None:
        super().__init__(GraphSettings(), **options)
        self.config = config = declare(self, TrialNodeConfig)
        self._conditions = conditions = Conditions(pose_source=config.pose_source)
        settings = GraphSettings(
            config.object_name, config.hand, config.belief, lockstep=config.lockstep, conditions=conditions
        )
        self.use(settings)

    def run_once(self) -> TrialRecord:
        """Run the trial; write its report if a folder is given."""
        config = self.config
        scenario = draw_scenario(config.object_name, config.regime, config.seed, config.hand)
        checkpoint = Path(config.checkpoint) if config.checkpoint else None
        settings = TrialSettings(
            config.method, config.belief, config.beta, checkpoint, config.battery, conditions=self._conditions
        )
        if config.out:
            prepare_folder(Path(config.out))
        log = self.get_logger()
        record = self.run(scenario, settings, on_phase=lambda name: log.info(f"{name} ..."), max_steps=config.max_steps)
        if config.out:
            page = write_folder(Path(config.out), record, Pictures(), shlex.join(sys.argv))
            log.info(f"report: {page}")
        return record


def main() -> int:
    """Run one trial; return 0 when it ran, whatever became of the grasp."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = TrialNode()
        try:
            with spinning(rclpy.get_default_context(), [node]):
                record = node.run_once()
                node.get_logger().info(f"{words.headline(record)}. {words.sentence(record)}")
                return int(record.error_code != 0)
        finally:
            node.destroy_node()
    except VnbError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
