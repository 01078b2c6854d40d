"""The stages of the set-up. Each has a fingerprint of what it depends on, and is redone when that changes."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import system
from .child import ChildError, Progress, run_child
from .environment import build_environment, site_packages
from .errors import SetupError
from .mend import mend_wheels
from .ros import Ros
from .state import State, fingerprint

TORCH = "torch==2.13.0"
SPACE_GB = {"cpu": 3.0, "gpu": 10.0}
_INSTALLING = "Installing collected packages"
_OWNED = "made-by-vnb"


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: Key of its stamp.
        title: What the user sees while it runs.
        stamp: Fingerprint of everything that it depends on.
        present: Tells whether its result is still on the disk.
        run: Does it.
    """

    name: str
    title: str
    stamp: str
    present: Callable[[], bool]
    run: Callable[[], None]

    def is_done(self, state: State) -> bool:
        """Return whether the stage needs no run."""
        return state.stamps.get(self.name) == self.stamp and self.present()


@dataclass
class Setup:
    """The set-up of one checkout.

    Attributes:
        root: Root of the checkout.
        ros: The ROS to use.
        torch: ``"cpu"`` or ``"gpu"``.
        torch_index: Further package index for torch; empty = pip's own configuration only.
        environ: Environment of the user's shell.
        state: Stamps.
        lock: Descriptor of the lock that is held while stages run.
        progress: Where progress goes.
    """

    root: Path
    ros: Ros
    torch: str
    torch_index: str
    environ: dict[str, str]
    state: State
    lock: int = -1
    progress: Progress | None = None

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.venv / "bin" / "python"

    @property
    def log(self) -> Path:
        """The log of everything that set-up runs."""
        return self.root / ".vnb-setup" / "setup.log"

    def stages(self, tests: bool) -> list[Stage]:
        """Return all stages in order; with ``tests`` also the tools of ``./vnb test``."""
        needed = self.root / "requirements"
        runtime = [needed / "core.txt", *([] if self.ros.sourced else [needed / "ros.txt"])]
        constraints = needed / "constraints.txt"
        sources = [path for path in (self.root / "src" / "vnb_msgs").rglob("*") if path.is_file()]
        install = self.root / "install" / "vnb_msgs" / "share" / "vnb_msgs" / "package.xml"

        made = fingerprint(str(self.root), sys.version, sys.base_prefix, str(self.ros))
        packed = fingerprint(made, self.torch, TORCH, files=[*runtime, constraints])
        mended = fingerprint(packed, "mend 1")
        has_python = self.python.exists
        stages = [
            Stage("venv", "virtual environment in .venv", made, has_python, self.make_venv),
            Stage("packages", "packages", packed, has_python, lambda: self.install_packages(runtime, constraints)),
            Stage("mend", "CMake files of the ROS wheels", mended, has_python, self.mend),
            Stage("messages", "vnb_msgs", fingerprint(mended, files=sources), install.exists, self.build_messages),
        ]
        if tests:
            dev = needed / "dev.txt"
            stamp = fingerprint(packed, files=[dev, constraints])
            stages.append(Stage("dev", "test tools", stamp, has_python, lambda: self.install_dev(dev, constraints)))
        return stages

    def run(self, *command: str | Path, build: bool = False) -> str:
        """Run a child (see :func:`.child.run_child`); with ``build`` in the environment for building."""
        env = build_environment(self.root, self.ros, self.environ) if build else dict(self.environ)
        env.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_USER="0", PYTHONNOUSERSITE="1")
        if not self.ros.sourced:
            env.pop("PYTHONPATH", None)  # pip must not count foreign packages as installed
        progress = self.progress or Progress(1)
        return run_child([str(part) for part in command], log=self.log, progress=progress, lock=self.lock, env=env)

    def pip(self, *arguments: str | Path) -> str:
        """Run pip in the virtual environment. A failure that changed nothing leaves it trusted."""
        try:
            return self.run(self.python, "-m", "pip", *arguments)
        except SetupError as error:
            if _INSTALLING not in error.output:
                self.state.abandon()
            raise

    def make_venv(self) -> None:
        """Make ``.venv`` anew, unless it is somebody else's."""
        owned = self.venv / _OWNED
        if self.venv.exists() and not owned.exists() and any(self.venv.iterdir()):
            self.state.abandon()
            raise SetupError(f"{self.venv} was not made by ./vnb. Move it away or remove it, then run this again.")
        shutil.rmtree(self.venv, ignore_errors=True)
        shutil.rmtree(self.root / "build" / "vnb_msgs", ignore_errors=True)  # its CMake cache names the old one
        system.require_space(self.root, SPACE_GB[self.torch])
        self.venv.mkdir()
        owned.touch()
        base: str = getattr(sys, "_base_executable", sys.executable)  # .venv's own Python may be running this
        self.run(base, "-m", "venv", *(["--system-site-packages"] if self.ros.sourced else []), self.venv)

    def install_packages(self, requirements: list[Path], constraints: Path) -> None:
        """Install what commands need, torch included."""
        arguments: list[str | Path] = ["install", "--no-compile", "--retries", "2", "-c", constraints]
        for path in requirements:
            arguments += ["-r", path]
        if self.torch_index:
            arguments += ["--extra-index-url", self.torch_index]
        if self.has_cuda_torch() not in (None, self.torch == "gpu"):
            self.pip("uninstall", "-y", "torch")  # pip takes any build for satisfying the version
        if self.torch == "gpu":
            self.pip(*arguments, TORCH)
            return
        try:
            self.pip(*arguments, f"{TORCH}+cpu")
        except ChildError as error:
            if f"No matching distribution found for {TORCH}+cpu" not in error.output:
                raise
            self.state.begin("packages")
            self.pip(*arguments, TORCH)

    def has_cuda_torch(self) -> bool | None:
        """Return whether the installed torch is a GPU build; ``None`` when there is none."""
        version = site_packages(self.venv) / "torch" / "version.py"
        if not version.is_file():
            return None
        return any(
            line.startswith("cuda") and not line.rstrip().endswith("None")
            for line in version.read_text(encoding="utf-8").splitlines()
        )

    def torch_note(self) -> str:
        """Return a hint when a GPU build was installed although the CPU build was asked for; else nothing."""
        if self.torch == "gpu" or not self.has_cuda_torch():
            return ""
        folders = [site_packages(self.venv) / name for name in ("torch", "nvidia", "triton")]
        size = sum(path.lstat().st_size for folder in folders for path in folder.rglob("*")) / system.GIGABYTE
        return (
            f"note: pip found no CPU build of {TORCH}, so the GPU build was installed ({size:.1f} GB). It works "
            "without a GPU.\nFor the small one, name a package index that has it: ./vnb setup --torch-index URL"
        )

    def mend(self) -> None:
        """Mend the ROS wheels; nothing to do for a sourced ROS."""
        if not self.ros.sourced:
            numpy_include = site_packages(self.venv) / "numpy" / "_core" / "include"
            mend_wheels(self.venv, sysconfig.get_path("include"), str(numpy_include), sys.base_prefix)

    def build_messages(self) -> None:
        """Build ``vnb_msgs`` into ``build/`` and ``install/``."""
        folders = {name: self.root / name for name in ("build", "install")}
        for folder in folders.values():
            shutil.rmtree(folder / "vnb_msgs", ignore_errors=True)  # a removed field must not survive
        flags = ["-GNinja", f"-DPython3_EXECUTABLE={self.python}", "-DBUILD_TESTING=OFF"]
        flags.append(f"-DVNB_MSGS_PYTHON_ONLY={'OFF' if self.ros.sourced else 'ON'}")
        self.run(
            *(self.python, "-m", "colcon", "--log-base", self.root / ".vnb-setup" / "log", "build"),
            *("--base-paths", self.root / "src" / "vnb_msgs", "--build-base", folders["build"]),
            *("--install-base", folders["install"], "--event-handlers", "console_direct+", "--symlink-install"),
            *("--cmake-args", *flags),
            build=True,
        )

    def install_dev(self, requirements: Path, constraints: Path) -> None:
        """Install what ``./vnb test`` needs besides."""
        self.pip("install", "--no-compile", "--retries", "2", "-c", constraints, "-r", requirements)
