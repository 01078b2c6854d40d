from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from vnb_benchmark.running.provenance import code_hash, commit, method_versions


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "deciding_package"
    (root / "aside").mkdir(parents=True)
    (root / "__init__.py").write_text("A = 1\n")
    (root / "table.yaml").write_text("b: 2\n")
    (root / "aside" / "plot.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "deciding_package", raising=False)
    return root


def hash_of() -> str:
    return code_hash(["deciding_package"], ["deciding_package/aside"])


@pytest.mark.parametrize("name", ["__init__.py", "table.yaml"])
def test_any_change_of_code_or_data_changes_the_hash(package: Path, name: str) -> None:
    before = hash_of()
    assert hash_of() == before
    (package / name).write_text("A = 2\n")
    assert hash_of() != before


def test_a_new_file_changes_it_and_what_decides_nothing_does_not(package: Path) -> None:
    before = hash_of()
    (package / "aside" / "plot.py").write_text("C = 3\n")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert hash_of() == before
    (package / "more.py").write_text("")
    assert hash_of() != before


def test_a_moved_content_is_another_code(package: Path) -> None:
    before = hash_of()
    (package / "table.yaml").rename(package / "other.yaml")
    assert hash_of() != before


def test_methods_of_this_project_have_no_version_of_their_own() -> None:
    assert method_versions(["vnb", "scripted", "vnb-once", "vnb@2"]) == {}


def test_a_commit_is_a_hash_or_nothing() -> None:
    found = commit()
    assert found == "" or (set(found.rstrip("+")) <= set("0123456789abcdef") and len(found.rstrip("+")) == 12)
