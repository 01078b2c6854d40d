"""The store: nothing lost, nothing doubled, nothing mixed."""

from __future__ import annotations

import math
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.running.measure import failed_outcome
from vnb_benchmark.running.store import (
    STORE_NAME,
    Provenance,
    Store,
    comparable,
    contents_equal,
    outcome_of,
    row_of,
)
from vnb_benchmark.running.tasks import Task, TaskQueue, beta_text, beta_value, tasks_to_do
from vnb_benchmark.running.testing import fake_outcome, make_cases, uses_beta
from vnb_grasp.errors import ConfigError, VnbError

CASES = make_cases(4)
PROVENANCE = Provenance("./vnb bench", {"mujoco": "4.0.0", "vnb": "0.1.0"}, "abc", "a machine", "2026-01-01")
TASKS = tasks_to_do(CASES, ["plain", "beta"], uses_beta)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.start(tmp_path / "run" / STORE_NAME, CASES, PROVENANCE)


def outcome(task: Task = TASKS[0]) -> Outcome:
    return fake_outcome(task)


@pytest.mark.parametrize("beta", [0.9, 0.1 + 0.2, 0.0, math.nan])
def test_an_outcome_survives_to_the_bit(beta: float) -> None:
    before = replace(outcome(), beta=beta, error="a 'quote' and \"another\"", level=1e-300, epsilon_series=())
    assert comparable(outcome_of(row_of(before))) == comparable(before)
    assert beta_text(beta_value(beta_text(beta))) == beta_text(beta)


def test_tasks_are_every_method_case_and_beta_once_less_what_is_stored() -> None:
    assert len(TASKS) == 4 + 4 * 2
    assert len({task.key for task in TASKS}) == len(TASKS)
    assert {task.key[2] for task in TASKS if task.method == "plain"} == {""}
    worlds = [task.world for task in TASKS]
    assert [w for i, w in enumerate(worlds) if i == 0 or worlds[i - 1] != w] == sorted(set(worlds))
    left = tasks_to_do(CASES, ["plain", "beta", "beta"], uses_beta, [task.key for task in TASKS[:5]])
    assert left == TASKS[5:]


def test_a_worker_stays_with_its_world() -> None:
    queue = TaskQueue(TASKS)
    first = [queue.take(0), queue.take(1), queue.take(0), queue.take(1)]
    assert first[0] and first[1] and first[2] and first[3]
    assert first[0].world == first[2].world != first[1].world == first[3].world
    rest = []
    while (task := queue.take(0)) is not None:
        rest.append(task)
    assert len(rest) == len(TASKS) - 4
    assert len(queue) == 0


def test_adding_twice_keeps_one(store: Store) -> None:
    with store:
        for task in TASKS:
            store.add(outcome(task))
            store.add(replace(outcome(task), lifted=False))
        assert store.keys() == {task.key for task in TASKS}
        assert len(store.outcomes()) == len(TASKS)
        assert all(o.lifted for o in store.outcomes())


def test_it_can_be_read_while_it_is_written(store: Store) -> None:
    with store:
        store.add(outcome())
        with Store.open(store.path.parent) as reader:
            assert reader.cases() == CASES
            assert len(reader.outcomes()) == 1
            assert contents_equal(reader, store)
            assert reader.runs() == [PROVENANCE.run()]


def test_contents_differ_by_any_value_but_times(store: Store, tmp_path: Path) -> None:
    with store, Store.start(tmp_path / "other.sqlite", CASES, PROVENANCE) as other:
        store.add(outcome())
        assert not contents_equal(store, other)
        other.add(replace(outcome(), wall_time=99.0, planning_series=(1.0,)))
        assert contents_equal(store, other)
        store.add(outcome(TASKS[1]))
        other.add(replace(outcome(TASKS[1]), peak_force=5.0000001))
        assert not contents_equal(store, other)


def test_an_existing_store_is_only_touched_by_resume(store: Store) -> None:
    with store:
        store.add(outcome())
    with pytest.raises(ConfigError, match=r"--resume.*--out"):
        Store.start(store.path, CASES, PROVENANCE)
    later = replace(PROVENANCE, command="again", hardware="another")
    with Store.start(store.path, CASES, later, resume=True) as again:
        assert len(again.outcomes()) == 1
        assert [run["command"] for run in again.runs()] == ["./vnb bench", "again"]
        assert [run["hardware"] for run in again.runs()] == ["a machine", "another"]


def test_a_run_that_was_not_killed_tells_what_it_came_to(store: Store) -> None:
    store.end_run(3, 61.2)
    store.close()
    with Store.start(store.path, CASES, PROVENANCE, resume=True) as again:
        assert again.runs() == [{**PROVENANCE.run(), "episodes": "3", "seconds": "61"}, PROVENANCE.run()]


def test_a_method_that_comes_later_may_bring_its_version_and_must_keep_it(store: Store) -> None:
    store.close()
    entered = replace(PROVENANCE, versions={**PROVENANCE.versions, "method mine": "my_method 1.0"})
    Store.start(store.path, CASES, entered, resume=True).close()
    Store.start(store.path, CASES, PROVENANCE, resume=True).close()
    other = replace(PROVENANCE, versions={**PROVENANCE.versions, "method mine": "my_method 1.1"})
    with pytest.raises(ConfigError, match=r"method mine got 'my_method 1\.1' expected 'my_method 1\.0'"):
        Store.start(store.path, CASES, other, resume=True)


def test_what_broke_can_be_forgotten_and_nothing_else(store: Store) -> None:
    with store:
        store.add(outcome())
        for task, status in zip(TASKS[1:4], ("failed", "crashed", "hung"), strict=True):
            store.add(failed_outcome(task.case, task.method, task.beta, status, "why", 1.0))
        assert store.forget_broken() == 3
        assert store.keys() == {TASKS[0].key}
        assert store.forget_broken() == 0


def test_a_run_killed_before_its_first_transaction_can_be_resumed(tmp_path: Path) -> None:
    path = tmp_path / STORE_NAME
    path.touch()
    with Store.start(path, CASES, PROVENANCE, resume=True) as store:
        assert store.keys() == set()


def test_results_of_different_kinds_are_not_mixed(store: Store) -> None:
    store.close()
    with pytest.raises(ConfigError, match=r"scenario set 'tiny' \(5 cases.*expected.*\(4 cases"):
        Store.start(store.path, make_cases(5), PROVENANCE, resume=True)
    with pytest.raises(ConfigError, match=r"beta 0\.99"):
        Store.start(store.path, replace(CASES, betas=(0.99,)), PROVENANCE, resume=True)
    newer = replace(PROVENANCE, versions={"mujoco": "4.1.0", "vnb": "0.1.0"})
    with pytest.raises(ConfigError, match=r"mujoco got '4\.1\.0' expected '4\.0\.0'"):
        Store.start(store.path, CASES, newer, resume=True)
    with pytest.raises(ConfigError, match="checkpoint got 'def'"):
        Store.start(store.path, CASES, replace(PROVENANCE, checkpoint="def"), resume=True)


def test_another_schema_version_is_refused(store: Store) -> None:
    store.connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    store.close()
    for attempt in (lambda: Store.open(store.path), lambda: Store.start(store.path, CASES, PROVENANCE, resume=True)):
        with pytest.raises(ConfigError, match=r"version 99, expected vnb-benchmark version 3"):
            attempt()


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such store"):
        Store.open(tmp_path)
    (tmp_path / STORE_NAME).write_text("this is no database, whatever its name says " * 50)
    with pytest.raises(ConfigError, match="expected a store"):
        Store.open(tmp_path)
    connection = sqlite3.connect(tmp_path / "foreign.sqlite")
    connection.execute("CREATE TABLE things (x)")
    connection.close()
    with pytest.raises(ConfigError, match="schema none"):
        Store.start(tmp_path / "foreign.sqlite", CASES, PROVENANCE, resume=True)


def test_a_full_store_says_so_and_keeps_what_it_has(store: Store) -> None:
    with store:
        pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
        store.connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        stored = 0
        with pytest.raises(VnbError, match=r"no room.*--resume"):  # noqa: PT012 (how many fit is not known)
            for task in TASKS:
                store.add(replace(outcome(task), error="x" * 3000))
                stored += 1
        assert len(store.outcomes()) == stored
        store.connection.execute("PRAGMA max_page_count = 100000")
        store.add(outcome(TASKS[-1]))
    with Store.open(store.path) as again:
        assert len(again.outcomes()) == stored + 1


def test_a_folder_that_cannot_be_made_or_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="--out"):
        Store.start(tmp_path / "file" / STORE_NAME, CASES, PROVENANCE)
    if os.geteuid() == 0:
        folder = Path("/proc/vnb")  # root may write everywhere but there
    else:
        folder = tmp_path / "locked"
        folder.mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="--out"):
        Store.start(folder / STORE_NAME, CASES, PROVENANCE)
