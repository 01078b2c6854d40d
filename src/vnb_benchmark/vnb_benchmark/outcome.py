"""What the benchmark keeps of one episode: a flat row of plain values."""

from __future__ import annotations

from dataclasses import dataclass

OK = "ok"
STATUSES = (OK, "failed", "crashed", "hung")


@dataclass(frozen=True)
class Outcome:
    """One method on one case at one beta. NaN: not computed. The key is (case, method, beta).

    Attributes:
        case: Index in the scenario set.
        method: Name of the method.
        beta: Confidence level; NaN for methods that take none (their result counts for every beta).
        status: ``ok``; ``failed`` (an error of method or motion), ``crashed`` (its process died), ``hung`` (too slow).
        error: What went wrong; empty if ``ok``.
        object_name, regime, split, seed, friction_effective, sweep, level: Copied from the case.
        pregrasp: Index in the library, of the last attempt.
        attempts: Times that the object was taken.
        steps: Decision steps of all attempts.
        stop_reason: Why closing ended.
        lifted, nominal, nominal_12: As in the bridge's stress report.
        survived, tests: Battery tests survived, and run; ``tests`` is 28, or 0 if the object was not lifted.
        outcomes: One character per battery test, ``1`` survived, ``0`` not.
        lift_height: [m].
        peak_force, force_cap: Largest fingertip force, and what the object bears [N].
        peak_slip: [m].
        time_to_slip: [s].
        failure_mode: ``none``, ``grasp``, ``lift``, ``slip`` or ``perturbation``.
        abstained: The method declined to lift; it was lifted and tested all the same.
        p_fail: The method's failure probability at its last step (P_bel); NaN if it computes none.
        epsilon_hat, epsilon_true: Grasp quality at the last step, from touch, and of the true contacts.
        epsilon_series: Quality from touch at every step.
        p_fail_series: Failure probability at every step.
        planning_series: Time of every decision [s].
        wall_time: Of the whole episode, the way to the object included though one simulation of it may serve several
            methods [s].
        evidence: What ``p_fail`` was computed from, as the planner names it; empty if the method keeps none, or the
            episode ran through the node graph.
        digest: Hash of every step's reading, belief and action, and of the verdict; times are left out.
    """

    case: int
    method: str
    beta: float
    status: str
    error: str
    object_name: str
    regime: str
    split: str
    seed: int
    friction_effective: float
    sweep: str
    level: float
    pregrasp: int
    attempts: int
    steps: int
    stop_reason: str
    lifted: bool
    nominal: bool
    nominal_12: bool
    survived: int
    tests: int
    outcomes: str
    lift_height: float
    peak_force: float
    force_cap: float
    peak_slip: float
    time_to_slip: float
    failure_mode: str
    abstained: bool
    p_fail: float
    epsilon_hat: float
    epsilon_true: float
    epsilon_series: tuple[float, ...]
    p_fail_series: tuple[float, ...]
    planning_series: tuple[float, ...]
    wall_time: float
    evidence: tuple[float, ...]
    digest: str

    @property
    def survival(self) -> float:
        """Share of the battery survived; 0 if the object was not lifted."""
        return self.survived / self.tests if self.tests else 0.0

    @property
    def p_emp(self) -> float:
        """Share of the battery failed; 1 if the object was not lifted."""
        return 1.0 - self.survival

    @property
    def robust(self) -> bool:
        """Nominal success, at least half of the battery, and no more force than the object bears."""
        return self.nominal and self.survival >= 0.5 and self.peak_force <= self.force_cap

    @property
    def robust_paper(self) -> bool:
        """The paper's: nominal success up to 12 N and at least half of the battery, whatever the force."""
        return self.nominal_12 and self.survival >= 0.5
