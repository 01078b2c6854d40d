"""Run methods on a set of scenarios and write the benchmark's report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vnb_bringup.commands._shared import command_line, known_names

if TYPE_CHECKING:
    from vnb_benchmark.outcome import Outcome
    from vnb_benchmark.running.store import Provenance
    from vnb_benchmark.running.tasks import Task
    from vnb_benchmark.scenarios.case import CaseSet

INTERRUPTED = 130
ACTIONS = ("run", "report", "export")


def main(
    action: Annotated[str, typer.Argument(help="run, report or export.")] = "run",
    store: Annotated[
        Path | None, typer.Argument(help="Store or folder of an earlier run, for report and export.", show_default="")
    ] = None,
    preset: Annotated[str, typer.Option(help="Scenario set; `./vnb scenarios` lists them.")] = "quick",
    scenarios: Annotated[Path | None, typer.Option(help="File of scenarios instead of a preset.")] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Method to run; repeatable.", show_default="vnb, scripted")
    ] = None,
    beta: Annotated[
        list[float] | None,
        typer.Option(min=0.0, max=0.9999, help="Confidence level of the risk; repeatable.", show_default="the set's"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the preset.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the results.", show_default="out/bench-SET")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the results that are there.")] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="With --resume: run again what failed, crashed or hung.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes; the results do not depend on it.")] = 2,
    ray: Annotated[str | None, typer.Option(help="Run through Ray: `local`, or HOST:PORT of a cluster's head.")] = None,
    via_ros: Annotated[
        bool, typer.Option("--via-ros", help="Run through the node graph, one episode after the other.")
    ] = False,
    pose_source: Annotated[
        str, typer.Option(help="What estimates the object's pose: sensor (with a stated error) or cameras.")
    ] = "sensor",
    episode_timeout: Annotated[
        float, typer.Option(min=1.0, max=86400.0, help="Time after which an episode is given up as hung [s].")
    ] = 300.0,
    limit: Annotated[int | None, typer.Option(min=1, help="Run only this many of the episodes to do.")] = None,
) -> None:
    """Run methods on a set of scenarios and write the report: `./vnb bench`.

    Write the report of earlier results: `./vnb bench report STORE --out DIR`; as tables: `./vnb bench export STORE`.
    """
    if action not in ACTIONS:
        raise _usage(f"unknown action {action!r}, expected one of: {', '.join(ACTIONS)}")
    if (store is None) != (action == "run"):
        raise _usage(
            "`bench run` takes no store; it goes on with the one in --out by --resume"
            if action == "run"
            else f"`bench {action}` needs the store or the folder of an earlier run"
        )
    if action == "run":
        if retry and not resume:
            raise _usage("--retry goes with --resume")
        if via_ros and ray is not None:
            raise _usage("--via-ros and --ray exclude each other")
        with known_names():
            cases = _seen_by(pose_source, _case_set(preset, scenarios, seed, beta))
            names = tuple(dict.fromkeys(method or ("vnb", "scripted")))
            uses_beta = _uses_beta(names, via_ros=via_ros)
        folder = out or Path("out") / f"bench-{cases.name}"
        engine = _engine(jobs, ray, via_ros, episode_timeout, pose_source)
        _run(cases, names, _provenance(names, pose_source, ray), uses_beta, folder, resume, retry, limit, engine)
    else:
        assert store is not None
        _write(action, store, out)


def _usage(text: str) -> typer.BadParameter:
    return typer.BadParameter(text)


def _case_set(preset: str, file: Path | None, seed: int, betas: list[float] | None) -> CaseSet:
    from dataclasses import replace

    from vnb_benchmark.scenarios.files import load_case_set
    from vnb_benchmark.scenarios.presets import PRESETS

    cases = PRESETS[preset](seed) if file is None else load_case_set(file)
    return replace(cases, betas=tuple(dict.fromkeys(betas))) if betas else cases


def _uses_beta(names: tuple[str, ...], *, via_ros: bool) -> dict[str, bool]:
    """Make every method once, so that a wrong one is found before anything runs."""
    from vnb_benchmark.methods.registry import make_method

    if via_ros:
        from vnb_bringup.graph.bench import planner_method

        return {name: planner_method(name).uses_beta for name in names}
    return {name: make_method(name).uses_beta for name in names}


def _seen_by(pose_source: str, cases: CaseSet) -> CaseSet:
    """Return the set under a name that tells its results from those with the pose sensor: no store mixes the two."""
    from dataclasses import replace

    from vnb_sim_bridge.conditions import Conditions

    Conditions(pose_source=pose_source)
    return cases if pose_source == "sensor" else replace(cases, name=f"{cases.name}-{pose_source}")


def _engine(
    jobs: int, ray: str | None, via_ros: bool, timeout: float, pose_source: str
) -> Callable[[list[Task]], Iterator[Outcome]]:
    """Return what runs tasks."""
    from functools import partial

    from vnb_benchmark.methods.registry import make_method
    from vnb_benchmark.running.pool import run_pool
    from vnb_benchmark.running.worker import LocalExecutor

    local = partial(LocalExecutor, make_method, pose_source)
    if ray is not None:
        from vnb_benchmark.running.ray_pool import LOCAL, import_ray, require_answer, run_ray

        import_ray(loopback=ray == LOCAL)  # what is missing is said before a folder is made
        if ray != LOCAL:
            require_answer(ray)
        return lambda tasks: run_ray(tasks, local, jobs, ray, timeout)
    if via_ros:
        from vnb_bringup.graph.bench import GraphExecutor

        return lambda tasks: run_pool(tasks, partial(GraphExecutor, pose_source), 1, timeout)
    return lambda tasks: run_pool(tasks, local, jobs, timeout)


def _provenance(names: tuple[str, ...], pose_source: str, ray: str | None) -> Provenance:
    from datetime import UTC, datetime

    from vnb_benchmark.running.provenance import code_hash, commit, method_versions
    from vnb_benchmark.running.ray_pool import LOCAL
    from vnb_benchmark.running.run import hardware
    from vnb_benchmark.running.store import Provenance
    from vnb_bringup.report.from_episode import checkpoint_hash, versions

    started = datetime.now(UTC).isoformat(timespec="seconds")
    machine = hardware() if ray in (None, LOCAL) else f"{hardware()}; episodes on the Ray cluster at {ray}"
    decide = {**versions(), "code": code_hash(), **method_versions(names)}
    return Provenance(command_line(), decide, checkpoint_hash("learned"), machine, started, commit(), pose_source)


def _run(
    cases: CaseSet,
    names: tuple[str, ...],
    provenance: Provenance,
    uses_beta: dict[str, bool],
    out: Path,
    resume: bool,
    retry: bool,
    limit: int | None,
    engine: Callable[[list[Task]], Iterator[Outcome]],
) -> None:
    from vnb_benchmark.running.run import keep
    from vnb_benchmark.running.store import STORE_NAME, Store
    from vnb_benchmark.running.tasks import tasks_to_do
    from vnb_bringup.report.bench_progress import BenchProgress, print_table

    with Store.start(out / STORE_NAME, cases, provenance, resume=resume) as store:
        if retry:
            print(f"{store.forget_broken()} episodes that failed, crashed or hung are run again.")
        stored, began = store.keys(), time.monotonic()
        tasks = tasks_to_do(cases, names, uses_beta.__getitem__, stored)[:limit]
        try:
            with BenchProgress(len(tasks)) as progress:
                keep(store, engine(tasks), progress.note)
        except KeyboardInterrupt:
            print(f"\nInterrupted; {len(store.keys())} episodes are stored. The same command with --resume goes on.")
            raise typer.Exit(INTERRUPTED) from None
        finally:
            store.end_run(len(store.keys()) - len(stored), time.monotonic() - began)
        print_table(store.outcomes())
    _write("report", out, out)


def _write(action: str, store: Path, out: Path | None) -> None:
    from vnb_benchmark.running.store import Store, store_file

    Store.open(store).close()  # says clearly what is wrong with it
    path = store_file(store)
    out = out or path.parent
    if action == "report":
        from vnb_benchmark.report.write import write_report

        print(f"Report: {write_report(path, out, command_line())}")
    else:
        from vnb_benchmark.report.export import export

        files = export(path, out)
        for file in files:
            print(file)
        if not any(file.suffix == ".parquet" for file in files):
            print("No Parquet: for it, pip install -r requirements/parquet.txt")
