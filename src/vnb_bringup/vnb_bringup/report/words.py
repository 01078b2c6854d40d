"""The outcome of a trial in words."""

from __future__ import annotations

import math

from vnb_bringup.report.record import TrialRecord, Verdict, succeeded, survived_tests

LOST = 0.1
"""Motion from which an object counts as gone from the hand [m]."""

_STOPS = {
    "settled": "the grasp got no better",
    "quality": "the grasp felt good enough",
    "step_limit": "the step limit was reached",
    "stalled": "the fingers had stalled",
    "canceled": "the grasp was canceled",
}


def object_words(record: TrialRecord) -> str:
    """Return the object's name for a sentence."""
    return record.scenario.object_name.replace("_", " ")


def headline(record: TrialRecord) -> str:
    """Return the verdict in one or two words."""
    if record.error_code:
        return "Ended by an error"
    if record.verdict is None:
        return "Not tested"
    if succeeded(record.verdict):
        return "Held"
    return {"grasp": "Not grasped", "lift": "Lost in the lift", "slip": "Slipped"}.get(
        record.verdict.failure_mode, "Lifted"
    )


def tone(record: TrialRecord) -> str:
    """Return ``good``, ``fair`` or ``bad``."""
    if record.error_code or record.verdict is None or not record.verdict.lifted:
        return "bad"
    return "good" if succeeded(record.verdict) else "fair"


def sentence(record: TrialRecord) -> str:
    """Return what happened, in a sentence or two."""
    if record.error_code:
        return f"Error {record.error_code}: {record.error_message}"
    verdict = record.verdict
    if verdict is None:
        return "The grasp was not tested."
    thing = object_words(record)
    stop = _STOPS.get(record.stop_reason, record.stop_reason.replace("_", " "))
    again = f" in {record.attempts} attempts" if record.attempts > 1 else ""
    closing = f"Closing ended after {_count(len(record.steps), 'decision')}{again}, when {stop}.{_abstained(record)}"
    if not verdict.lifted:
        return f"{closing} {_not_lifted(verdict, thing)}"
    lift = f"The {thing} came up {1e3 * verdict.lift_height:.0f} mm with the hand"
    return f"{closing} {lift}, {_pulses(verdict)}{_battery(verdict)}."


def _abstained(record: TrialRecord) -> str:
    if not record.abstained:
        return ""
    last = record.steps[-1].p_fail if record.steps else math.nan
    return f" The method would not lift it (failure probability {last:.2f}); it was lifted and tested all the same."


def _not_lifted(verdict: Verdict, thing: str) -> str:
    if verdict.failure_mode == "grasp":
        return f"The fingers did not get hold of the {thing}; it stayed behind."
    return f"The {thing} did not come up with the hand: it rose {1e3 * verdict.lift_height:.0f} mm of 50 mm."


def _pulses(verdict: Verdict) -> str:
    if verdict.nominal_12:
        return "stayed within 1 cm through sideways pulses of up to 12 N"
    if verdict.nominal:
        return "stayed within 1 cm through sideways pulses of up to 8 N"
    return f"but {motion(verdict.peak_slip)} under sideways pulses of up to 8 N"


def motion(distance: float) -> str:
    """Return how far an object moved [m] in words; one that left the hand is falling, and no distance says how far."""
    return "was lost" if not distance < LOST else f"moved {1e3 * distance:.0f} mm"


def _battery(verdict: Verdict) -> str:
    survived, total = survived_tests(verdict)
    return f", and survived {survived} of {total} disturbances" if total else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def figures(record: TrialRecord) -> list[tuple[str, str]]:
    """Return the figures of the verdict by name, those that were computed."""
    rows = []
    verdict = record.verdict
    if verdict is not None:
        rows.append(("lift", f"{1e3 * verdict.lift_height:.0f} mm"))
        if verdict.lifted:
            rows.append(
                (
                    "sideways pulses",
                    "held to 12 N" if verdict.nominal_12 else "held to 8 N" if verdict.nominal else "slipped",
                )
            )
        survived, total = survived_tests(verdict)
        if total:
            rows.append(("disturbances", f"{survived} of {total} survived"))
        rows.append(("peak force", f"{verdict.peak_force:.1f} N"))
    if record.steps:
        last = record.steps[-1]
        rows.append(("decisions", f"{len(record.steps)}, {sum(last.contact)} of 5 fingers in contact"))
        if math.isfinite(last.p_fail):
            rows.append(("P(fail), CVaR", f"{last.p_fail:.2f}, {last.cvar:.3g}"))
        rows.append(("epsilon", f"{last.epsilon_hat:.3f} from touch, {last.epsilon_true:.3f} true"))
    return rows
