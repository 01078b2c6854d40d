"""Compute beliefs and decisions of a bag again, as recorded or with another method, and report what differs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vnb_bringup.commands._shared import command_line, known_names

if TYPE_CHECKING:
    from vnb_bringup.replay.recompute import ReplaySettings
    from vnb_bringup.replay.recording import Recording


def main(
    bag: Annotated[Path, typer.Argument(help="Folder of the bag.")],
    source: Annotated[
        str,
        typer.Option("--from", help="observation: belief and decisions anew; belief: decisions on recorded beliefs."),
    ] = "observation",
    method: Annotated[str | None, typer.Option(help="Method that decides.", show_default="as recorded")] = None,
    beta: Annotated[
        float | None,
        typer.Option(min=0.0, max=0.9999, help="Confidence level of the risk.", show_default="as recorded"),
    ] = None,
    belief: Annotated[str | None, typer.Option(help="Belief.", show_default="as recorded")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoint of the belief.", show_default="as recorded")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report.", show_default="out/replay-BAG")] = None,
) -> None:
    """Compute beliefs and decisions of a bag again, as recorded or with another method, and report what differs.

    Exits with 1 if nothing was altered, time waited for commands, and the outcome differs all the same.
    """
    from vnb_bringup.bags.reader import BagReader
    from vnb_bringup.replay.compare import compare
    from vnb_bringup.replay.recompute import SOURCES, ReplaySettings, replay
    from vnb_bringup.replay.recording import Recording
    from vnb_bringup.replay.report import verdict, write_report
    from vnb_bringup.report.folder import prepare_folder

    if source not in SOURCES:
        raise typer.BadParameter(f"--from {source}: expected one of: {', '.join(SOURCES)}")
    if source == "belief" and (belief or checkpoint):
        raise typer.BadParameter("--belief and --checkpoint compute the belief anew: they need --from observation")
    settings = ReplaySettings(source, method, beta, belief, checkpoint)
    folder = out or Path("out") / f"replay-{_name(bag)}"
    with BagReader(bag) as reader, known_names():
        _check(settings)
        recording = Recording(reader)
        prepare_folder(folder)
        found = compare(replay(recording, settings))
    notes = _notes(recording, settings)
    markdown, data = write_report(folder, bag, settings, found, notes, command_line())
    print(verdict(settings, found))
    for title, text in notes.items():
        print(f"{title}: {text}")
    print(f"Report: {markdown}, {data.name}")
    if settings.plain and not found.exact and recording.facts.of("belief", "lockstep", True):
        raise typer.Exit(1)


def _check(settings: ReplaySettings) -> None:
    """Raise :class:`UnknownNameError` for an unknown name before anything is computed."""
    from vnb_belief.beliefs import BELIEFS
    from vnb_planner.planners import PLANNERS

    if settings.method is not None:
        PLANNERS[settings.method]
    if settings.belief is not None:
        BELIEFS[settings.belief]


def _name(bag: Path) -> str:
    path = bag.resolve()
    return f"{path.parent.name}-{path.name}" if path.name == "bag" else path.stem


def _notes(recording: Recording, settings: ReplaySettings) -> dict[str, str]:
    """Return what may explain differences."""
    from vnb_bringup.report.from_episode import checkpoint_hash, versions

    facts = recording.facts
    notes: dict[str, str] = {}
    if not facts.of("belief", "lockstep", True):
        notes["Time"] = (
            "recorded with the wall clock: which command an observation met, and what came too late, depended on the "
            "moment, so that a replay need not be exact"
        )
    if not facts.parameters:
        notes["Parameters"] = "the bag does not tell those of its nodes; the defaults were taken"
    kind = settings.belief or str(facts.of("belief", "belief", "learned"))
    present = checkpoint_hash(kind, settings.checkpoint) if settings.source == "observation" else ""
    if facts.checkpoint_sha256 and present and present != facts.checkpoint_sha256:
        notes["Checkpoint"] = f"{present[:12]}, recorded with {facts.checkpoint_sha256[:12]}"
    other = {
        name: f"{version}, recorded with {facts.versions[name]}"
        for name, version in versions().items()
        if facts.versions.get(name, version) != version
    }
    if other:
        notes["Versions"] = "; ".join(f"{name} {text}" for name, text in other.items())
    return notes
