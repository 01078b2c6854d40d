"""Scenarios: everything that is drawn once per trial and shared by every method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vnb_grasp.description import load_hand, load_object
from vnb_grasp.errors import ConfigError
from vnb_grasp.registry import Registry

FRICTION_FINGER = 0.35
"""Sliding friction of the finger material (PEEK)."""

REGIMES: Registry[Callable[[np.random.Generator], float]] = Registry("friction regime")


@REGIMES.register("nominal")
def _nominal(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.4, 1.0))


@REGIMES.register("wide")
def _wide(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.15, 1.2))


@REGIMES.register("bimodal")
def _bimodal(rng: np.random.Generator) -> float:
    low = bool(rng.random() < 0.5)
    return float(np.clip(rng.normal(0.18, 0.03) if low else rng.normal(1.0, 0.05), 0.05, 1.5))


_POSITIVE = (
    "friction_object",
    "friction_finger",
    "stiffness",
    "damping",
    "mass_scale",
    "pose_translation_std",
    "pose_rotation_std",
    "torque_scale",
)


@dataclass(frozen=True)
class Scenario:
    """One grasp problem.

    Attributes:
        object_name: Object description.
        hand: Hand variant.
        regime: Friction regime that ``friction_object`` was drawn from.
        seed: Seed of the draw and of the sensor noise.
        friction_object: Sliding friction of the object's surface.
        friction_finger: Sliding friction of the finger's material.
        stiffness: Normal stiffness of a hand-object contact [N/m].
        damping: Normal damping of a hand-object contact [N s/m].
        mass_scale: Factor on the object's mass.
        object_x, object_y, object_yaw: Pose on the table in the world [m, m, rad].
        pose_bias: Constant error of the pose sensor: translation [m] and rotation vector [rad], world axes.
        pose_translation_std, pose_rotation_std: Standard deviation per axis that the sensor states for that error
            [m], [rad].
        torque_scale: Factor on the hand's torque limits.
    """

    object_name: str
    hand: str = "l6_v31"
    regime: str = "nominal"
    seed: int = 0
    friction_object: float = 0.7
    friction_finger: float = FRICTION_FINGER
    stiffness: float = 1000.0
    damping: float = 15.0
    mass_scale: float = 1.0
    object_x: float = -0.05
    object_y: float = 0.88
    object_yaw: float = 0.0
    pose_bias: tuple[float, float, float, float, float, float] = (0.0,) * 6
    pose_translation_std: float = 0.002
    pose_rotation_std: float = 0.02
    torque_scale: float = 1.0

    def __post_init__(self) -> None:
        load_object(self.object_name)
        load_hand(self.hand)
        REGIMES[self.regime]
        for name in _POSITIVE:
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ConfigError(f"scenario {name} must be finite and positive, got {value}")
        for name in ("object_x", "object_y", "object_yaw", "pose_bias"):
            if not np.isfinite(getattr(self, name)).all():
                raise ConfigError(f"scenario {name} must be finite, got {getattr(self, name)}")
        if not 0 <= self.seed < 2**64:
            raise ConfigError(f"scenario seed must be in 0 to 2^64 - 1, got {self.seed}")

    @property
    def friction_effective(self) -> float:
        """Friction of a finger on the object: the geometric mean of the two materials."""
        return float(np.sqrt(self.friction_finger * self.friction_object))


@dataclass(frozen=True)
class ScenarioSpread:
    """Standard deviations of what a scenario draws beside friction.

    Attributes:
        position: Of the object's place on the table [m].
        yaw: Of its yaw [rad].
        pose_bias_translation: Of the pose sensor's constant error [m].
        pose_bias_rotation: Of the pose sensor's constant error [rad].
    """

    position: float = 0.01
    yaw: float = 0.10
    pose_bias_translation: float = 0.002
    pose_bias_rotation: float = 0.02


def draw_scenario(
    object_name: str,
    regime: str = "nominal",
    seed: int = 0,
    hand: str = "l6_v31",
    friction_object: float | None = None,
    spread: ScenarioSpread | None = None,
) -> Scenario:
    """Draw a scenario; the same arguments give the same scenario, and every method gets the same one.

    Raises:
        UnknownNameError: If object, hand or regime are not known; the message lists the known ones.
    """
    spread = spread or ScenarioSpread()
    draw_friction = REGIMES[regime]
    load_object(object_name)
    rng = stream(seed, f"scenario/{object_name}/{regime}")
    friction = draw_friction(rng)
    return Scenario(
        object_name=object_name,
        hand=hand,
        regime=regime,
        seed=seed,
        friction_object=friction if friction_object is None else friction_object,
        stiffness=float(np.clip(rng.normal(1000.0, 250.0), 300.0, 1900.0)),
        damping=float(15.0 * np.exp(0.3 * rng.standard_normal())),
        mass_scale=float(rng.uniform(0.8, 1.2)),
        object_x=-0.05 + float(spread.position * rng.standard_normal()),
        object_y=0.88 + float(spread.position * rng.standard_normal()),
        object_yaw=float(spread.yaw * rng.standard_normal()),
        pose_bias=tuple(  # type: ignore[arg-type]
            float(x)
            for x in np.repeat([spread.pose_bias_translation, spread.pose_bias_rotation], 3) * rng.standard_normal(6)
        ),
        pose_translation_std=spread.pose_bias_translation,
        pose_rotation_std=spread.pose_bias_rotation,
    )


def stream(seed: int, name: str, step: int = 0) -> np.random.Generator:
    """Return the generator of one named random stream at one step: independent of the order in which they are used."""
    key = [int(seed), int(step), *name.encode("utf-8")]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
