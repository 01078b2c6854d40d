"""The dependency rules of docs/architecture.md hold in the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src"
PACKAGES = sorted(path.parent.name for path in SOURCES.glob("vnb_*/setup.py"))
MODULES = [path for name in PACKAGES for path in sorted((SOURCES / name / name).rglob("*.py"))]
ROS_MODULE = re.compile(r"^(rclpy|launch|launch_ros|ament_index_python|std_srvs|\w+_msgs|builtin_interfaces)$")


def package_of(path: Path) -> str:
    return path.relative_to(SOURCES).parts[0]


def may_use_ros(path: Path) -> bool:
    return package_of(path) == "vnb_bringup" or "nodes" in path.relative_to(SOURCES).parts


def imported(source: str) -> set[str]:
    """Return the top-level names that ``source`` imports anywhere, also inside functions and by ``import_module``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "import_module"):
            names.update(str(argument.value) for argument in node.args if isinstance(argument, ast.Constant))
    return {name.partition(".")[0] for name in names}


def documented_dependencies(text: str) -> dict[str, set[str]]:
    """Return the ``may import`` column of the table in the document, as package names."""
    rows = re.findall(r"^\| `(vnb_\w+)` \|[^|]*\|([^|]*)\|$", text, flags=re.MULTILINE)
    everything = {name for name, _ in rows}
    return {
        name: everything if cell.strip().startswith("all") else set(re.findall(r"vnb_\w+", cell)) for name, cell in rows
    }


ALLOWED = documented_dependencies((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))


def test_every_package_is_documented() -> None:
    assert PACKAGES
    assert set(PACKAGES) <= set(ALLOWED)


def test_the_reader_of_imports_sees_every_form() -> None:
    source = (
        "import rclpy.node\nfrom vnb_msgs.msg import Belief\nfrom .x import y\n"
        "def f():\n    import torch\n    importlib.import_module('vnb_planner.risk')\n"
    )
    assert imported(source) == {"rclpy", "vnb_msgs", "torch", "vnb_planner"}


@pytest.mark.parametrize("name", PACKAGES)
def test_only_nodes_and_bringup_know_ros(name: str) -> None:
    found = {
        str(path.relative_to(SOURCES)): ros
        for path in MODULES
        if package_of(path) == name
        and not may_use_ros(path)
        and (ros := {module for module in imported(path.read_text(encoding="utf-8")) if ROS_MODULE.match(module)})
    }
    assert found == {}


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_depend_one_way(name: str) -> None:
    allowed = ALLOWED[name] | {name, "vnb_msgs"}
    found = {
        str(path.relative_to(SOURCES)): foreign
        for path in MODULES
        if package_of(path) == name
        and (foreign := {m for m in imported(path.read_text(encoding="utf-8")) if m.startswith("vnb_")} - allowed)
    }
    assert found == {}


def test_everything_without_ros_imports_where_ros_is_absent() -> None:
    modules = [
        ".".join(path.relative_to(SOURCES / package_of(path)).with_suffix("").parts).removesuffix(".__init__")
        for path in MODULES
        if not may_use_ros(path) and path.stem != "__main__"
    ]
    script = f"""
import importlib, re, sys
class NoRos:
    def find_spec(self, name, path=None, target=None):
        if re.match({ROS_MODULE.pattern!r}, name.partition(".")[0]):
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)
sys.meta_path.insert(0, NoRos())
failed = {{}}
for name in {modules!r}:
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed[name] = str(error)
sys.exit(str(failed) if failed else 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr


def test_bootstrap_needs_the_standard_library_only() -> None:
    package = SOURCES / "vnb_bringup" / "vnb_bringup"
    for path in [package / "__init__.py", *(package / "bootstrap").glob("*.py")]:
        foreign = imported(path.read_text(encoding="utf-8")) - set(sys.stdlib_module_names)
        assert foreign == set(), path.name


def test_versions_agree() -> None:
    versions = {
        path.parent.name: match.group(1)
        for path in SOURCES.glob("vnb_*/package.xml")
        if (match := re.search(r"<version>(.*)</version>", path.read_text(encoding="utf-8")))
    }
    for name in PACKAGES:
        match = re.search(r'version="(.*)"', (SOURCES / name / "setup.py").read_text(encoding="utf-8"))
        assert match is not None
        assert match.group(1) == versions[name]
    assert len(set(versions.values())) == 1


def test_error_codes_of_messages_match_the_exceptions() -> None:
    from vnb_grasp import errors

    text = (SOURCES / "vnb_msgs" / "msg" / "ErrorCode.msg").read_text(encoding="utf-8")
    constants = {name: int(value) for name, value in re.findall(r"^uint16 ([A-Z_]+)=(\d+)", text, flags=re.MULTILINE)}
    classes = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.VnbError) and value is not errors.VnbError
    }
    expected = {
        re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.removesuffix("Error")).upper(): c for name, c in classes.items()
    }
    assert constants["NONE"] == 0
    assert constants["INTERNAL"] == errors.VnbError.code
    assert {name: constants.get(name) for name in expected} == {name: c.code for name, c in expected.items()}
    assert len(set(constants.values())) == len(constants)


@pytest.mark.parametrize("path", sorted((SOURCES / "vnb_msgs").glob("*/*.*")), ids=lambda path: path.stem)
def test_every_field_of_every_message_is_explained(path: Path) -> None:
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    fields = [line for line in lines if line and not line.startswith("#") and line != "---"]
    assert [line for line in fields if "#" not in line] == []
    listed = (SOURCES / "vnb_msgs" / "CMakeLists.txt").read_text(encoding="utf-8")
    assert f'"{path.parent.name}/{path.name}"' in listed
