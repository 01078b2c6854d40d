"""Run one grasp trial in simulation and write its report."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vnb_bringup.commands._shared import command_line, known_names

if TYPE_CHECKING:
    from vnb_bringup.report.local import TrialSettings
    from vnb_bringup.report.record import TrialRecord
    from vnb_grasp.errors import BagError
    from vnb_sim_bridge.render.film import Film, Filmer
    from vnb_sim_bridge.scenario import Scenario

HARDWARE = ("sim", "emulated")


def main(
    context: typer.Context,
    object_name: Annotated[str, typer.Option("--object", help="Object to grasp.")] = "tomato_soup_can",
    regime: Annotated[str, typer.Option(help="Friction regime that the object's friction is drawn from.")] = "nominal",
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything that is drawn.")] = 0,
    method: Annotated[str, typer.Option(help="Method that moves the fingers.")] = "vnb",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the report.", show_default="out/trial-OBJECT-REGIME-SEED-METHOD"),
    ] = None,
    beta: Annotated[
        float, typer.Option(min=0.0, max=0.9999, help="Confidence level of the risk; 0 is the mean.")
    ] = 0.9,
    delta: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Largest failure probability with which a grasp is lifted.")
    ] = 0.2,
    attempts: Annotated[int, typer.Option(min=1, help="Times that the object may be taken.")] = 2,
    hand: Annotated[str, typer.Option(help="Hand variant.")] = "l6_v31",
    friction: Annotated[
        float | None, typer.Option(min=0.01, help="Friction of the object's surface, instead of drawing it.")
    ] = None,
    belief: Annotated[
        str | None,
        typer.Option(
            help="Belief that the method plans with.", show_default="learned; with --scenario as in the benchmark"
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoint of the learned belief.", show_default="shipped")
    ] = None,
    pose_source: Annotated[
        str | None,
        typer.Option(
            help="What estimates the object's pose: cameras, or a sensor with a stated error.",
            show_default="cameras; sensor beside emulated hardware, and with --scenario",
        ),
    ] = None,
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", help="Draw pictures and a film.")] = True,
    battery: Annotated[bool, typer.Option("--battery/--no-battery", help="Run the 28 disturbance tests.")] = True,
    ros: Annotated[
        bool, typer.Option("--ros/--no-ros", help="Run through the node graph, or the same parts without.")
    ] = True,
    record_bag: Annotated[
        bool, typer.Option("--record", help="Record all topics into a rosbag2 bag, in the folder `bag` of the report.")
    ] = False,
    storage: Annotated[str, typer.Option(help="Storage of the bag: mcap or sqlite3.")] = "mcap",
    hardware: Annotated[
        str,
        typer.Option(help="Robot: sim (the simulated robot), or emulated (drivers against emulated devices)."),
    ] = "sim",
    scenario_reference: Annotated[
        str | None,
        typer.Option(
            "--scenario",
            metavar="FILE#INDEX",
            help="Case of a scenario set to run, in place of drawing one; `./vnb scenarios` writes such files.",
        ),
    ] = None,
) -> None:
    """Run one grasp trial in simulation and write its report.

    With `--hardware emulated` the drivers of hand and arm run too, as they do on the robot; they reach emulated devices
    on this machine, behind which the simulated world moves with the wall clock. Two such
    trials are never quite the same.

    Exits with 0 when the trial ran, whatever became of the grasp.
    """
    from vnb_benchmark.scenarios.files import parse_reference
    from vnb_bringup.bags.storage import STORAGES
    from vnb_bringup.report.folder import Pictures, prepare_folder, write_folder
    from vnb_bringup.report.local import TrialSettings
    from vnb_planner.attempts import AttemptRule
    from vnb_sim_bridge.render.film import Film

    if record_bag and not ros:
        raise typer.BadParameter("--record records the topics of the node graph, and --no-ros runs without it")
    if not record_bag and _given(context, "storage"):
        raise typer.BadParameter("--storage is that of a bag: it needs --record")
    if hardware not in HARDWARE:
        raise typer.BadParameter(f"got {hardware!r}, expected one of: {', '.join(HARDWARE)}", param_hint="--hardware")
    if hardware != "sim" and not ros:
        raise typer.BadParameter("drivers are nodes: they cannot run with --no-ros", param_hint="--hardware")
    if hardware != "sim" and record_bag:
        raise typer.BadParameter("--record records a simulated trial; beside an emulated one run ./vnb bag record")
    started = time.perf_counter()
    belief = belief or ("learned" if scenario_reference is None else _benchmark_belief(method))
    settings = TrialSettings(method, belief, beta, checkpoint, battery, AttemptRule(delta=delta, attempts=attempts))
    if scenario_reference is None:
        with known_names():
            scenario = _draw(object_name, regime, seed, hand, friction)
        name = f"{object_name}-{regime}-{seed}"
    else:
        _refuse_drawing_options(context)
        case = parse_reference(scenario_reference)
        scenario, settings = case.scenario, replace(settings, conditions=case.conditions)
        name = f"{Path(scenario_reference.rpartition('#')[0]).stem}-{case.index}"
    with known_names():
        # A case states the error of the pose sensor: without it, it would be another one.
        source = pose_source or ("cameras" if hardware == "sim" and scenario_reference is None else "sensor")
        settings = replace(settings, conditions=replace(settings.conditions, pose_source=source))
        _check(scenario, settings)
        STORAGES[storage]
    out = out or Path("out") / f"trial-{name}-{method}"
    prepare_folder(out)
    filmer = _filmer() if pictures else None
    bag = _free_bag(out) if record_bag else None
    unrecorded = None
    if hardware == "emulated":
        record, film = _run_emulated(scenario, settings, film=pictures)
    else:
        record, unrecorded = _run(scenario, settings, filmer, ros=ros, bag=bag, storage=storage)
        film = filmer.develop() if filmer is not None else Film({}, b"")
    page = write_folder(out, record, Pictures(film.pictures, film.gif), command_line())
    _print_verdict(record, page, time.perf_counter() - started)
    if unrecorded is not None:
        raise unrecorded
    if bag is not None:
        print(f"Bag: {bag}")
    if record.error_code:
        raise typer.Exit(1)


def _draw(object_name: str, regime: str, seed: int, hand: str, friction: float | None) -> Scenario:
    from vnb_sim_bridge.scenario import draw_scenario

    return draw_scenario(object_name, regime, seed, hand, friction)


def _benchmark_belief(method: str) -> str:
    """Return the belief that the benchmark's method of this name plans with."""
    from vnb_benchmark.methods.planner_method import PlannerMethod
    from vnb_benchmark.methods.registry import METHODS

    made = METHODS[method]() if method in METHODS else None
    return made.belief if isinstance(made, PlannerMethod) else "learned"


def _refuse_drawing_options(context: typer.Context) -> None:
    """Raise a usage error if an option is given that says what to draw: a case of a file is not drawn."""
    options = {name: f"--{name}" for name in ("regime", "seed", "hand", "friction")} | {"object_name": "--object"}
    given = sorted(option for name, option in options.items() if _given(context, name))
    if given:
        raise typer.BadParameter(f"{', '.join(given)} cannot be given with --scenario, whose case has them fixed")


def _given(context: typer.Context, name: str) -> bool:
    """Return whether a parameter was given on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _check(scenario: Scenario, settings: TrialSettings) -> None:
    """Raise :class:`UnknownNameError` for any unknown name before anything is simulated."""
    from vnb_belief.beliefs import BELIEFS
    from vnb_planner.planners import PLANNERS
    from vnb_sim_bridge.pregrasp.library import load_pregrasps

    PLANNERS[settings.method]
    BELIEFS[settings.belief]
    load_pregrasps(scenario.object_name, scenario.hand)


def _filmer() -> Filmer:
    """Return a filmer; raises :class:`RenderError` now rather than after the trial if this machine cannot draw."""
    from vnb_sim_bridge.render.film import Filmer
    from vnb_sim_bridge.render.gl import open_context

    open_context(16, 16).free()
    return Filmer()


def _free_bag(out: Path) -> Path:
    """Return the folder of the bag; raises :class:`BagError` now rather than later if it is there already."""
    from vnb_grasp.errors import BagError

    bag = out / "bag"
    if bag.exists():
        raise BagError(f"bag {bag}: is there already; remove it, or give another folder with --out")
    return bag


def _run(
    scenario: Scenario,
    settings: TrialSettings,
    filmer: Filmer | None,
    *,
    ros: bool,
    bag: Path | None = None,
    storage: str = "mcap",
) -> tuple[TrialRecord, BagError | None]:
    """Return the record, and why the bag could not be written if that is so."""
    from vnb_bringup.report.live import LiveLine

    observers = () if filmer is None else (filmer,)
    with LiveLine() as line:
        if ros:
            from vnb_bringup.graph.trial import UnrecordedTrialError, run_graph_trial

            try:
                record = run_graph_trial(
                    scenario,
                    settings,
                    observers=observers,
                    on_step=line.step,
                    on_phase=line.phase,
                    bag=bag,
                    storage=storage,
                )
            except UnrecordedTrialError as error:
                return error.record, error
            return record, None
        from vnb_bringup.report.local import run_local_trial

        return run_local_trial(scenario, settings, observers=observers, on_step=line.step, on_phase=line.phase), None


def _run_emulated(scenario: Scenario, settings: TrialSettings, *, film: bool) -> tuple[TrialRecord, Film]:
    import signal

    from vnb_bringup.hardware.trial import run_emulated_trial
    from vnb_bringup.report.live import LiveLine

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no process is left behind
    with LiveLine() as line:
        return run_emulated_trial(scenario, settings, film=film, on_step=line.step, on_phase=line.phase)


def _print_verdict(record: TrialRecord, page: Path, elapsed: float) -> None:
    from rich.console import Console
    from rich.table import Table

    from vnb_bringup.report import words

    style = {"good": "bold green", "fair": "bold yellow", "bad": "bold red"}[words.tone(record)]
    console = Console(highlight=False)
    console.print(f"[{style}]{words.headline(record)}.[/] {words.sentence(record)}")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in words.figures(record):
        table.add_row(f"[dim]{name}[/]", value)
    console.print(table)
    console.print(f"Report: {page}  [dim]({elapsed:.1f} s)[/]", soft_wrap=True)
