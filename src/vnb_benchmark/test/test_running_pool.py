"""Workers: what a method does to its process costs one episode; results do not depend on who runs them."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.running.pool import run_pool
from vnb_benchmark.running.ray_pool import import_ray, require_answer, run_ray
from vnb_benchmark.running.run import hardware, keep
from vnb_benchmark.running.store import Provenance, Store, comparable, contents_equal
from vnb_benchmark.running.tasks import Task, tasks_to_do
from vnb_benchmark.running.testing import (
    FakeExecutor,
    broken,
    fake,
    fake_outcome,
    key_text,
    make_cases,
    make_short,
    slow_fake,
    uses_beta,
)
from vnb_benchmark.running.worker import Kept, LocalExecutor
from vnb_grasp.errors import ConfigError, VnbError

CASES = make_cases(4)
PROVENANCE = Provenance("test", {"vnb": "0"}, "", hardware(), "now")
TROUBLE = ["plain", "raises", "refuses", "hangs", "exits", "dies", "aborts"]
EXPECTED = {
    "raises": ("failed", "ValueError: this method raises"),
    "refuses": ("failed", "no pre-grasp can be reached"),
    "hangs": ("hung", "no verdict within 2 s"),
    "exits": ("crashed", "exit code 3"),
    "dies": ("crashed", "exit code 7"),
    "aborts": ("crashed", "SIGABRT"),
}


def tasks(*methods: str) -> list[Task]:
    return tasks_to_do(CASES, methods, uses_beta)


def contents(outcomes: Iterator[Outcome]) -> list[str]:
    return sorted(map(comparable, outcomes))


def children() -> set[int]:
    """Return the processes that this one has started, the tracker of multiprocessing aside."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text, command = status.read_text(), (status.parent / "cmdline").read_text()
        except OSError:
            continue
        if f"PPid:\t{os.getpid()}\n" in text and "resource_tracker" not in command:
            found.add(int(status.parent.name))
    return found


def check_trouble(outcomes: list[Outcome], texts: bool = True) -> None:
    found = {key_text(o): o for o in outcomes}
    assert len(outcomes) == len(found) == len(TROUBLE) * 4
    for outcome in outcomes:
        status, error = EXPECTED.get(outcome.method, ("ok", "")) if outcome.case == 1 else ("ok", "")
        assert outcome.status == status, outcome
        if texts:
            assert error in outcome.error
        assert not (outcome.robust and outcome.error)


def test_whatever_a_method_does_costs_one_episode() -> None:
    before = children()
    check_trouble(list(run_pool(tasks(*TROUBLE), fake, 2, 2.0)))
    assert children() == before


def test_results_do_not_depend_on_the_number_of_jobs() -> None:
    todo = tasks("plain", "beta")
    expected = sorted(comparable(fake_outcome(task)) for task in todo)
    for jobs in (1, 3):
        assert contents(run_pool(todo, fake, jobs)) == expected


def test_a_worker_that_does_not_start_ends_the_run() -> None:
    with pytest.raises(VnbError, match="exit code 9 before its first episode"):
        list(run_pool(tasks("plain"), broken, 2))
    assert list(run_pool([], broken, 2)) == []
    with pytest.raises(ConfigError, match="jobs"):
        list(run_pool(tasks("plain"), fake, 0))


def test_an_interrupt_leaves_no_process_and_a_store_to_go_on_with(tmp_path: Path) -> None:
    before = children()
    with Store.start(tmp_path / "s.sqlite", CASES, PROVENANCE) as store:

        def interrupt(outcome: Outcome) -> None:
            if len(store.keys()) == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            keep(store, run_pool(tasks("plain", "beta"), slow_fake, 2), interrupt)
        assert children() == before
        left = tasks_to_do(CASES, ("plain", "beta"), uses_beta, store.keys())
        assert len(left) == len(tasks("plain", "beta")) - 3
        keep(store, run_pool(left, fake, 2), lambda outcome: None)
        assert contents(iter(store.outcomes())) == sorted(comparable(fake_outcome(t)) for t in tasks("plain", "beta"))


RUN = """
import sys
from pathlib import Path
from vnb_benchmark.running.pool import run_pool
from vnb_benchmark.running.run import keep
from vnb_benchmark.running.store import Provenance, Store
from vnb_benchmark.running.tasks import tasks_to_do
from vnb_benchmark.running.testing import make_cases, slow_fake, uses_beta

if __name__ == "__main__":
    cases = make_cases(60)
    with Store.start(Path(sys.argv[1]), cases, Provenance("test", {"vnb": "0"}, "", "", ""), resume=True) as store:
        todo = tasks_to_do(cases, ("plain", "beta"), uses_beta, store.keys())
        keep(store, run_pool(todo, slow_fake, 2), lambda outcome: print(outcome.case, flush=True))
"""


def workers_of(parent: int) -> set[int]:
    return {
        int(status.parent.name)
        for status in Path("/proc").glob("[0-9]*/status")
        if f"PPid:\t{parent}\n" in _text(status)
    }


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@pytest.mark.slow
def test_a_run_that_is_killed_twice_ends_like_one_that_is_not(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(RUN)
    for kill_after in (5, 40):
        with subprocess.Popen(
            [sys.executable, str(script), str(tmp_path / "killed.sqlite")], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(kill_after):
                assert process.stdout.readline()
            orphans = workers_of(process.pid)
            assert len(orphans) >= 2
            os.kill(process.pid, signal.SIGKILL)
        due = time.monotonic() + 20.0
        while any("State:\tZ" not in (text := _text(Path(f"/proc/{pid}/status"))) and text for pid in orphans):
            assert time.monotonic() < due, "a worker outlived the run"
            time.sleep(0.05)
    with Store.open(tmp_path / "killed.sqlite") as store:
        assert 45 <= len(store.keys()) < 180
    for name in ("killed.sqlite", "whole.sqlite"):
        done = subprocess.run([sys.executable, str(script), str(tmp_path / name)], capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr
    with Store.open(tmp_path / "killed.sqlite") as killed, Store.open(tmp_path / "whole.sqlite") as whole:
        assert len(whole.keys()) == 180
        assert contents_equal(killed, whole)


def test_few_worlds_are_kept() -> None:
    kept: Kept[str] = Kept(2)
    made: list[str] = []

    def make(name: str) -> Callable[[], str]:
        return lambda: made.append(name) or name

    for name in ("a", "b", "a", "c", "a", "b"):
        assert kept.get(name, make(name)) == name
    assert made == ["a", "b", "c", "b"]
    assert len(kept) == 2


@pytest.mark.slow
def test_real_grasps_are_the_same_here_and_in_two_workers() -> None:
    cases = make_cases(2, ("cube",))
    make = partial(LocalExecutor, make_short)
    todo = tasks_to_do(cases, ("plain",), uses_beta)
    here = make()
    expected = [here.run(task) for task in todo]
    assert all(o.status == "ok" and len(o.digest) == 64 and o.steps > 5 for o in expected)
    assert expected[0].digest != expected[1].digest
    assert contents(run_pool(todo, make, 2)) == contents(iter(expected))
    # in the other order, and with a case of other physics between
    assert comparable(here.run(todo[0])) == comparable(expected[0])
    bad = here.run(Task(todo[0].case, "nan", todo[0].beta))
    assert bad.status == "failed"
    assert "not finite" in bad.error
    assert comparable(here.run(todo[0])) == comparable(expected[0])


# --- Ray --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_ray_gives_the_same_and_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is optional: requirements/scale.txt")
    before = {pid for pid, text in _commands().items() if "raylet" in text or "gcs_server" in text}
    # A process of its own, which Ray cannot leave in another state for other tests.
    done = subprocess.run(
        [sys.executable, "-c", RAY, str(tmp_path / "outcomes")], capture_output=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    outcomes: list[Outcome] = pickle.loads((tmp_path / "outcomes").read_bytes())
    check_trouble(outcomes, texts=False)
    expected = sorted(comparable(fake_outcome(task)) for task in tasks("plain"))
    assert contents(o for o in outcomes if o.method == "plain") == expected
    left = {pid for pid, text in _commands().items() if "raylet" in text or "gcs_server" in text}
    assert left <= before


RAY = f"""
import pathlib, pickle, sys
from vnb_benchmark.running.ray_pool import run_ray
from vnb_benchmark.running.testing import fake, make_cases, uses_beta
from vnb_benchmark.running.tasks import tasks_to_do
outcomes = list(run_ray(tasks_to_do(make_cases(4), {TROUBLE!r}, uses_beta), fake, 2, "local", 2.0))
pathlib.Path(sys.argv[1]).write_bytes(pickle.dumps(outcomes))
"""


def _commands() -> dict[int, str]:
    return {int(path.parent.name): _text(path) for path in Path("/proc").glob("[0-9]*/cmdline")}


@pytest.mark.parametrize("address", ["nonsense", "http://head:1", "head:x", "127.0.0.1:99999"])
def test_an_address_must_be_one(address: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        require_answer(address)


def test_an_address_that_refuses() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        with pytest.raises(ConfigError, match=r"no Ray cluster answers.*--ray local"):
            require_answer(f"127.0.0.1:{taken.getsockname()[1]}")


@pytest.mark.slow
def test_an_address_that_is_silent_is_given_up() -> None:
    pytest.importorskip("ray", reason="Ray is optional: requirements/scale.txt")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        with pytest.raises(ConfigError, match=r"answer.*--ray local"):
            require_answer(f"127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - started < 60.0  # 20 s of patience; the rest is for a busy machine


def test_without_ray_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"requirements/scale\.txt"):
        import_ray()
    with pytest.raises(ConfigError, match=r"requirements/scale\.txt"):
        list(run_ray(tasks("plain"), FakeExecutor, 2))
