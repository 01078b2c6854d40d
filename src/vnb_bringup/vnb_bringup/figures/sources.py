"""What figures are drawn from: report folders of trials, and a benchmark store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.report.content import Figure
from vnb_benchmark.running.store import STORE_NAME, Store
from vnb_bringup.figures.rerun import Holding, hold_again
from vnb_bringup.view.result import read_result, require_recorded
from vnb_grasp.errors import ConfigError


class MissingSource(ConfigError):
    """What a figure is drawn from was not given; the message says what it needs."""


@dataclass(frozen=True)
class Trial:
    """One finished trial.

    Attributes:
        folder: Its report folder, or the folder of its ``result.json``.
        document: The content of its ``result.json``.
        checkpoint: Checkpoint of its belief, for running it again; None is the shipped one.
    """

    folder: Path
    document: dict[str, Any]
    checkpoint: Path | None = None

    @property
    def method(self) -> str:
        """Its method."""
        return str(self.document["method"])

    @property
    def case(self) -> str:
        """What was grasped, in words."""
        scenario = self.document["scenario"]
        return f"{scenario['object_name'].replace('_', ' ')}, {scenario['regime']}, seed {scenario['seed']}"

    @property
    def steps(self) -> list[dict[str, Any]]:
        """Its decision steps."""
        return list(self.document["steps"])

    def picture(self, name: str) -> Path | None:
        """Return the file of a picture: ``before``, ``closed`` or ``lifted``; None if it was not drawn."""
        path = self.folder / f"{name}.png"
        return path if path.is_file() else None

    @cached_property
    def holding(self) -> Holding:
        """What the hand held after the lift, found by running the trial again; see :func:`hold_again`."""
        return hold_again(self.document, self.folder, self.checkpoint)


@dataclass(frozen=True)
class Sources:
    """What was given.

    Attributes:
        trials: In the order given.
        outcomes: Of the benchmark store; None if none was given.
        step: Decision step that is shown where a figure shows one; None is the last.
    """

    trials: tuple[Trial, ...] = ()
    outcomes: tuple[Outcome, ...] | None = None
    step: int | None = None

    def require_trials(self, count: int = 1, why: str = "") -> tuple[Trial, ...]:
        """Return the trials; raises :class:`MissingSource` if there are fewer than ``count``."""
        if len(self.trials) < count:
            need = "the folder of a ./vnb trial" if count == 1 else f"the folders of at least {count} trials"
            raise MissingSource(f"got {len(self.trials)} trials, expected {need}{why}")
        return self.trials

    def require_outcomes(self) -> tuple[Outcome, ...]:
        """Return the outcomes of the store; raises :class:`MissingSource` if none was given or it is empty."""
        if not self.outcomes:
            got = "no benchmark store" if self.outcomes is None else "a benchmark store without an episode"
            raise MissingSource(f"got {got}, expected the store or the --out folder of a ./vnb bench")
        return self.outcomes


Painter = Callable[[Sources], list[Figure]]
"""Draws figures; raises :class:`MissingSource` where the sources lack what it needs."""


def read_sources(paths: Sequence[Path], checkpoint: Path | None = None, step: int | None = None) -> Sources:
    """Read what each path holds: a trial's folder or ``result.json``, or a benchmark's folder or store.

    Args:
        paths: Files or folders.
        checkpoint: Checkpoint of the trials' belief; None is the shipped one.
        step: See :class:`Sources`.

    Raises:
        ConfigError: If a path holds neither, cannot be read, is of another version, or there are two stores.
    """
    trials: list[Trial] = []
    outcomes: tuple[Outcome, ...] | None = None
    for path in paths:
        if _is_store(path):
            if outcomes is not None:
                raise ConfigError(f"{path}: a second benchmark store; draw the figures of each by itself")
            with Store.open(path) as store:
                outcomes = tuple(store.outcomes())
        else:
            trials.append(_read_trial(path, checkpoint))
    return Sources(tuple(trials), outcomes, step)


def _is_store(path: Path) -> bool:
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder; give the folder of a ./vnb trial or a ./vnb bench")
    if path.is_dir():
        found = {name: (path / name).is_file() for name in (STORE_NAME, "result.json")}
        if not any(found.values()):
            raise ConfigError(
                f"{path}: got neither result.json nor {STORE_NAME}, expected the folder of a ./vnb trial or ./vnb bench"
            )
        return found[STORE_NAME]
    return path.suffix == ".sqlite"


def _read_trial(path: Path, checkpoint: Path | None) -> Trial:
    document = read_result(path)
    require_recorded(document, path)
    return Trial(path if path.is_dir() else path.parent, document, checkpoint)
