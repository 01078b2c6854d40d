"""From what is sensed and believed to a probability of failure that can be taken at its word."""

from vnb_planner.failure.calibration import FailureCalibration, load_calibration
from vnb_planner.failure.evidence import EVIDENCE, TOUCH, collect_evidence
from vnb_planner.failure.promise import Promise

__all__ = ["EVIDENCE", "TOUCH", "FailureCalibration", "Promise", "collect_evidence", "load_calibration"]
