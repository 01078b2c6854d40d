"""Set-up: what it decides, how it fails, and how the next run recovers. Child processes are faked."""

from __future__ import annotations

import errno
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vnb_bringup.bootstrap import catalogue, main, system
from vnb_bringup.bootstrap.child import ChildError, Progress, explain, run_child
from vnb_bringup.bootstrap.environment import command_environment, site_packages
from vnb_bringup.bootstrap.errors import DiskFullError, MissingSystemPackagesError, OfflineError, SetupError
from vnb_bringup.bootstrap.mend import mend_text, mend_wheels
from vnb_bringup.bootstrap.ros import Ros, choose_ros
from vnb_bringup.bootstrap.stages import Setup
from vnb_bringup.bootstrap.state import State, exclusive, fingerprint

ROOT = Path(__file__).resolve().parents[1]
OFFLINE = "WARNING: Retrying ... NewConnectionError(...: Temporary failure in name resolution)\nERROR: No matching"


class FakeChildren:
    """Stands in for pip, venv and colcon: leaves the files that they would leave, and fails where it is told to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[str] = []
        self.fail: Callable[[str], BaseException | None] = lambda _: None

    def __call__(self, command: list[str], **_: object) -> str:
        line = " ".join(command)
        kind = "pip" if " pip " in line else "colcon" if " colcon " in line else "venv"
        self.calls.append("dev" if line.endswith("dev.txt") else kind)
        if (error := self.fail(line)) is not None:
            raise error
        if kind == "venv":
            (self.root / ".venv/bin").mkdir(parents=True)
            (self.root / ".venv/bin/python").touch()
        elif kind == "colcon":
            share = self.root / "install/vnb_msgs/share/vnb_msgs"
            share.mkdir(parents=True)
            (share / "package.xml").touch()
        return ""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    for name in ("core", "ros", "dev", "constraints"):
        (tmp_path / "requirements" / f"{name}.txt").write_text(f"{name}\n")
    (tmp_path / "src/vnb_msgs/msg").mkdir(parents=True)
    (tmp_path / "src/vnb_msgs/msg/Belief.msg").write_text("uint32 step\n")
    return tmp_path


@pytest.fixture
def children(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> FakeChildren:
    fake = FakeChildren(checkout)
    monkeypatch.setattr("vnb_bringup.bootstrap.stages.run_child", fake)
    monkeypatch.setattr(system, "missing_packages", list)
    monkeypatch.setattr(system, "require_space", lambda folder, gigabytes: None)
    return fake


def set_up(root: Path, tests: bool = False, torch: str = "cpu", ros: Ros | None = None) -> bool:
    state = State.load(root / ".vnb-setup/state.json")
    return main.prepare(Setup(root, ros or Ros(sourced=False), torch, "", {}, state), tests, assume_yes=False)


def test_first_run_does_all_and_second_nothing(checkout: Path, children: FakeChildren) -> None:
    assert set_up(checkout)
    assert children.calls == ["venv", "pip", "colcon"]
    assert not set_up(checkout)
    assert children.calls == ["venv", "pip", "colcon"]


def test_only_what_changed_is_redone(checkout: Path, children: FakeChildren) -> None:
    set_up(checkout)
    children.calls.clear()
    (checkout / "src/vnb_msgs/msg/Belief.msg").write_text("uint64 step\n")
    set_up(checkout)
    assert children.calls == ["colcon"]
    children.calls.clear()
    (checkout / "requirements/core.txt").write_text("numpy\n")
    set_up(checkout)
    assert children.calls == ["pip", "colcon"]


def test_test_tools_come_with_the_first_test(checkout: Path, children: FakeChildren) -> None:
    set_up(checkout)
    children.calls.clear()
    set_up(checkout, tests=True)
    assert children.calls == ["dev"]
    assert not set_up(checkout)


def test_deleted_results_are_made_again(checkout: Path, children: FakeChildren) -> None:
    set_up(checkout)
    children.calls.clear()
    (checkout / "install/vnb_msgs/share/vnb_msgs/package.xml").unlink()
    set_up(checkout)
    assert children.calls == ["colcon"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(143), OSError(errno.ENOSPC, "full")])
def test_an_interrupted_installation_starts_from_a_new_environment(
    checkout: Path, children: FakeChildren, interruption: BaseException
) -> None:
    children.fail = lambda line: interruption if " pip " in line else None
    with pytest.raises(type(interruption)):
        set_up(checkout)
    (checkout / ".venv/half-written").touch()
    children.fail = lambda _: None
    children.calls.clear()
    set_up(checkout)
    assert children.calls == ["venv", "pip", "colcon"]
    assert not (checkout / ".venv/half-written").exists()


def test_an_interrupted_build_keeps_the_environment(checkout: Path, children: FakeChildren) -> None:
    children.fail = lambda line: KeyboardInterrupt() if " colcon " in line else None
    with pytest.raises(KeyboardInterrupt):
        set_up(checkout)
    children.fail = lambda _: None
    children.calls.clear()
    set_up(checkout)
    assert children.calls == ["colcon"]


@pytest.mark.parametrize(
    ("output", "remade"),
    [(OFFLINE, False), ("Installing collected packages: numpy\nERROR: No space left on device", True)],
)
def test_a_failed_pip_costs_the_environment_only_if_it_had_begun_to_install(
    checkout: Path, children: FakeChildren, output: str, remade: bool
) -> None:
    set_up(checkout)
    error = explain(["python", "-m", "pip"], 1, output, checkout / "log")
    children.fail = lambda line: error if line.endswith("dev.txt") else None
    with pytest.raises(type(error)):
        set_up(checkout, tests=True)
    children.fail = lambda _: None
    children.calls.clear()
    set_up(checkout, tests=True)
    assert children.calls == (["venv", "pip", "colcon", "dev"] if remade else ["dev"])


def test_a_foreign_environment_is_left_alone(checkout: Path, children: FakeChildren) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv/mine").touch()
    with pytest.raises(SetupError, match=r"not made by \./vnb"):
        set_up(checkout)
    assert (checkout / ".venv/mine").exists()
    assert children.calls == []


def test_torch_falls_back_when_there_is_no_cpu_build(checkout: Path, children: FakeChildren) -> None:
    error = ChildError("pip failed", "ERROR: No matching distribution found for torch==2.13.0+cpu")
    children.fail = lambda line: error if line.endswith("+cpu") else None
    set_up(checkout)
    assert children.calls == ["venv", "pip", "pip", "colcon"]
    assert State.load(checkout / ".vnb-setup/state.json").running is None


def test_the_gpu_build_replaces_the_cpu_build(checkout: Path, children: FakeChildren) -> None:
    set_up(checkout)
    setup = Setup(checkout, Ros(sourced=False), "cpu", "", {}, State(checkout / "x"))
    version = site_packages(setup.venv) / "torch" / "version.py"
    version.parent.mkdir(parents=True)
    version.write_text("__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\n")
    assert setup.has_cuda_torch() is False
    seen: list[str] = []
    children.fail = lambda line: seen.append(line)  # type: ignore[func-returns-value]
    set_up(checkout, torch="gpu")
    assert "uninstall -y torch" in seen[0]
    assert seen[1].endswith(" torch==2.13.0")
    version.write_text("cuda: Optional[str] = '12.9'\n")
    assert setup.has_cuda_torch() is True
    assert "GPU build was installed" in setup.torch_note()


def test_a_sourced_jazzy_is_used_instead_of_the_wheels(checkout: Path, children: FakeChildren) -> None:
    seen: list[str] = []
    children.fail = lambda line: seen.append(line)  # type: ignore[func-returns-value]
    set_up(checkout, ros=Ros(sourced=True, prefix="/opt/ros/jazzy"))
    assert "--system-site-packages" in seen[0]
    assert "core.txt" in seen[1]
    assert "ros.txt" not in seen[1]


@pytest.mark.parametrize(
    ("environ", "rclpy", "expected"),
    [
        ({}, True, Ros(sourced=False)),
        ({"ROS_DISTRO": "jazzy"}, True, Ros(sourced=False)),
        ({"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": "/w:/opt/ros/jazzy"}, True, Ros(True, "/opt/ros/jazzy")),
    ],
)
def test_choice_of_ros(environ: dict[str, str], rclpy: bool, expected: Ros) -> None:
    assert choose_ros(environ, lambda _: rclpy) == expected


def test_another_ros_or_an_unusable_jazzy_is_refused() -> None:
    with pytest.raises(SetupError, match=r"'humble' is sourced.*needs ROS 2 'jazzy'"):
        choose_ros({"ROS_DISTRO": "humble", "AMENT_PREFIX_PATH": "/opt/ros/humble"}, lambda _: True)
    with pytest.raises(SetupError, match="cannot import its rclpy"):
        choose_ros({"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": "/opt/ros/jazzy"}, lambda _: False)


def test_failures_are_explained() -> None:
    pip = ["python", "-m", "pip", "install"]
    offline = explain(pip, 1, OFFLINE, Path("log"))
    assert isinstance(offline, OfflineError)
    assert "offline" in str(offline)
    full = explain(pip, 1, "ERROR: Could not install: [Errno 28] No space left on device", Path("log"))
    assert isinstance(full, DiskFullError)
    assert "Make room" in str(full)
    other = explain(["colcon", "build"], 2, "\n".join(f"line {i}" for i in range(99)), Path("the-log"))
    assert isinstance(other, ChildError)
    assert "line 98" in str(other)
    assert "line 50" not in str(other)
    assert "the-log" in str(other)


def test_missing_system_packages_are_named_with_one_line() -> None:
    needs = (
        system.Need("libegl1", lambda: False),
        system.Need("libgl1", lambda: True),
        system.Need("g++", lambda: False),
    )
    missing = system.missing_packages(needs, system_python=True)
    assert missing == ["libegl1", "g++"]
    with pytest.raises(MissingSystemPackagesError, match=r"apt-get install -y --no-install-recommends libegl1 g\+\+\n"):
        system.require_system(lambda line: None, False, missing)


def test_missing_system_packages_are_installed_when_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    lines: list[list[str]] = []
    system.require_system(lines.append, True, ["g++"])
    assert lines == [
        ["sudo", "apt-get", "update"],
        ["sudo", "apt-get", "install", "-y", "--no-install-recommends", "g++"],
    ]


def test_a_python_without_its_parts_is_named() -> None:
    needs = (system.Need("python3-venv", lambda: False, of_python=True),)
    assert system.missing_packages(needs, system_python=True) == ["python3-venv"]
    with pytest.raises(SetupError, match="VNB_PYTHON="):
        system.missing_packages(needs, system_python=False)


def test_library_probe_tells_present_from_absent() -> None:
    assert system.has_library("libc.so.6")
    assert not system.has_library("libvnb-does-not-exist.so.1")


def test_too_little_room_is_said_beforehand(tmp_path: Path) -> None:
    system.require_space(tmp_path, 0.0)
    with pytest.raises(DiskFullError, match="GB free, set-up needs"):
        system.require_space(tmp_path, 1e9)


def test_other_operating_systems_are_refused() -> None:
    system.require_platform("linux")
    with pytest.raises(SetupError, match="runs on Linux"):
        system.require_platform("darwin")


SAMPLE = """set_target_properties(m PROPERTIES INTERFACE_INCLUDE_DIRECTORIES
 "/opt/python/cp311-cp311/include/python3.11;/opt/python/cp311-cp311/lib/python3.11/site-packages/numpy/_core/include"
 OTHER "/opt/python/cp312-cp312" KEPT "/opt/pythons/x;${_IMPORT_PREFIX}/include")
"""


def test_mending_replaces_the_build_machines_paths_and_is_idempotent(tmp_path: Path) -> None:
    once = mend_text(SAMPLE, "/usr/include/python3.11", "/v/numpy/include", "/usr")
    assert '"/usr/include/python3.11;/v/numpy/include"' in once
    assert 'OTHER "/usr" KEPT "/opt/pythons/x;${_IMPORT_PREFIX}/include"' in once
    assert mend_text(once, "/usr/include/python3.11", "/v/numpy/include", "/usr") == once
    file = tmp_path / "share/m/cmake/mExport.cmake"
    file.parent.mkdir(parents=True)
    file.write_text(SAMPLE)
    assert mend_wheels(tmp_path, "/i", "/n", "/p") == 1
    assert mend_wheels(tmp_path, "/i", "/n", "/p") == 0


def test_a_damaged_state_file_counts_as_nothing_set_up(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    for text in ("", "{", "[]", '{"stamps": 3}'):
        path.write_text(text)
        assert State.load(path).stamps == {}
    state = State(path)
    state.begin("venv")
    assert State.load(path).running == "venv"
    state.finish("venv", "abc")
    assert State.load(path) == state


def test_fingerprints_see_names_and_contents(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("1")
    b.write_text("1")
    prints = {fingerprint("x"), fingerprint("x", files=[a]), fingerprint("x", files=[b]), fingerprint("x", "y")}
    a.write_text("2")
    assert len(prints | {fingerprint("x", files=[a])}) == 5


def test_a_second_run_waits_for_the_first(tmp_path: Path) -> None:
    waiting = threading.Event()
    order: list[str] = []

    def second() -> None:
        with exclusive(tmp_path / "lock", waiting.set):
            order.append("second")

    with exclusive(tmp_path / "lock", lambda: order.append("waited")):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(30)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]


def test_a_child_is_logged_and_its_failure_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with exclusive(tmp_path / "lock", lambda: None) as lock:
        output = run_child(["echo", "hello"], log=log, progress=Progress(1), lock=lock)
        with pytest.raises(ChildError, match="status 3"):
            run_child(["sh", "-c", "exit 3"], log=log, progress=Progress(1), lock=lock)
    assert output == "hello\n"
    assert "hello" in log.read_text()


def test_an_interrupted_child_takes_its_own_children_with_it(tmp_path: Path) -> None:
    class Interrupting(Progress):
        def update(self, line: str) -> None:
            raise KeyboardInterrupt

    pid_file = tmp_path / "pid"
    script = f"sleep 300 & echo $! > {pid_file}; echo started; wait"
    with exclusive(tmp_path / "lock", lambda: None) as lock, pytest.raises(KeyboardInterrupt):
        run_child(["sh", "-c", script], log=tmp_path / "log", progress=Interrupting(1), lock=lock)
    grandchild = Path(f"/proc/{pid_file.read_text().strip()}/stat")
    for _ in range(100):
        if not grandchild.exists() or grandchild.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    pytest.fail("the grandchild outlived the interruption")


def test_commands_see_the_checkout_and_a_closed_network(tmp_path: Path) -> None:
    (tmp_path / "src/vnb_x").mkdir(parents=True)
    (tmp_path / "src/vnb_x/setup.py").touch()
    env = command_environment(tmp_path, Ros(sourced=False), {"PATH": "/bin", "PYTHONPATH": "/mine"})
    assert env["PYTHONPATH"].split(":")[0] == str(tmp_path / "src/vnb_x")
    assert env["PYTHONPATH"].endswith(":/mine")
    assert env["AMENT_PREFIX_PATH"] == f"{tmp_path}/install/vnb_msgs:{tmp_path}/.venv"
    assert env["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert env["RMW_IMPLEMENTATION"] == "rmw_fastrtps_cpp"
    assert env["MUJOCO_GL"] == "egl"
    assert env["FASTRTPS_DEFAULT_PROFILES_FILE"] == f"{tmp_path}/config/fastdds.xml"
    assert (ROOT / "config" / "fastdds.xml").is_file()
    env = command_environment(tmp_path, Ros(sourced=False), {"PATH": "/bin", "FASTDDS_DEFAULT_PROFILES_FILE": "/my"})
    assert "FASTRTPS_DEFAULT_PROFILES_FILE" not in env
    chosen = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "MUJOCO_GL": "osmesa", "AMENT_PREFIX_PATH": "/opt/ros/jazzy"}
    env = command_environment(tmp_path, Ros(sourced=True, prefix="/opt/ros/jazzy"), {"PATH": "/bin", **chosen})
    assert env["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"
    assert env["MUJOCO_GL"] == "osmesa"
    assert env["AMENT_PREFIX_PATH"] == f"{tmp_path}/install/vnb_msgs:/opt/ros/jazzy"


def test_options_before_and_after_setup() -> None:
    options, rest = main.parse(["--yes", "trial", "--object", "mug", "--gpu"])
    assert (options.command, options.yes, options.torch, rest) == ("trial", True, None, ["--object", "mug", "--gpu"])
    assert main.parse(["test", "--", "-x"])[1] == ["--", "-x"]
    assert main.parse(["test", "-x", "--", "y"])[1] == ["-x", "--", "y"]
    options, rest = main.parse(["--yes", "setup", "--gpu", "--torch-index", "somewhere"])
    assert (options.yes, options.torch, options.torch_index, rest) == (True, "gpu", "somewhere", [])


def test_unknown_commands_end_before_any_set_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["tiral"]) == 1
    assert "unknown command 'tiral', expected one of: setup, " in capsys.readouterr().err


def test_help_lists_every_command_and_needs_no_set_up() -> None:
    done = subprocess.run([ROOT / "vnb", "--help"], capture_output=True, text=True, check=True, timeout=60)
    for name, summary in catalogue.commands().items():
        assert f"  {name} " in done.stdout
        assert len(summary) > 10


def test_every_command_has_a_main() -> None:
    import importlib

    for name in catalogue.commands():
        if name != "setup":
            assert callable(importlib.import_module(f"vnb_bringup.commands.{name.replace('-', '_')}").main)


@pytest.mark.ros
def test_built_messages_travel_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not set up")
    action = pytest.importorskip("vnb_msgs.action", reason="vnb_msgs is not built")
    from rclpy.action import ActionClient, ActionServer

    monkeypatch.setenv("ROS_DOMAIN_ID", "98")

    def execute(goal: Any) -> object:
        feedback = action.ExecuteGrasp.Feedback()
        feedback.status.action = [0.1, 1 / 3]
        goal.publish_feedback(feedback)
        goal.succeed()
        return action.ExecuteGrasp.Result(cvar=goal.request.beta, p_fail=math.nan)

    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("messages", context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    server = ActionServer(node, action.ExecuteGrasp, "grasp", execute)
    client = ActionClient(node, action.ExecuteGrasp, "grasp")
    try:
        assert client.wait_for_server(timeout_sec=60)
        seen: list[list[float]] = []
        goal = action.ExecuteGrasp.Goal(beta=0.1)
        sent = client.send_goal_async(goal, lambda message: seen.append(list(message.feedback.status.action)))
        executor.spin_until_future_complete(sent, timeout_sec=60)
        done = sent.result().get_result_async()
        executor.spin_until_future_complete(done, timeout_sec=60)
        assert done.result().result.cvar == 0.1
        assert math.isnan(done.result().result.p_fail)
        assert seen == [[0.1, 1 / 3]]
    finally:
        client.destroy()
        server.destroy()
        node.destroy_node()
        rclpy.shutdown(context=context)


@pytest.mark.parametrize("version", ["3.9.1", None])
def test_a_wrong_or_missing_python_is_told(tmp_path: Path, version: str | None) -> None:
    for tool in ("sh", "readlink", "dirname"):
        (tmp_path / tool).symlink_to(Path("/bin", tool) if Path("/bin", tool).exists() else Path("/usr/bin", tool))
    if version is not None:
        python = tmp_path / "python3"
        python.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo Python {version} && exit 0\nexit 1\n')
        python.chmod(0o755)
    script = tmp_path / "checkout/vnb"
    script.parent.mkdir()
    script.write_text((ROOT / "vnb").read_text())
    done = subprocess.run(
        ["/bin/sh", script, "setup"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert f"needs Python 3.11, 3.12 or 3.13; python3 is: {'Python ' + version if version else 'none'}." in done.stderr
