"""The page of ``./vnb view`` in a real headless Chromium, where one is installed.

With ``VNB_SCREENSHOTS=docs/images`` the pictures of the documentation are taken on the way.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vnb_bringup.graph.domain import own_domain
from vnb_bringup.report.json_report import result_json
from vnb_bringup.report.local import TrialSettings, run_local_trial
from vnb_sim_bridge.scenario import draw_scenario

webdriver = pytest.importorskip("selenium.webdriver")
exceptions = pytest.importorskip("selenium.common.exceptions")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian: chromium-driver)"),
    pytest.mark.timeout(600),
]

PATIENCE = 90.0
SCENE_WIDTH = 880
"""What the panel leaves of a window 1280 wide, with or without a scroll bar [pixels]."""
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--window-size=1280,900",
)


class Visitor:
    """A browser with the page open."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def text(self, name: str) -> str:
        """Return what the element of that name shows; empty if there is none."""
        script = "const e = document.querySelector(arguments[0]); return e ? e.innerText : ''"
        return str(self.driver.execute_script(script, f'[data-vnb="{name}"]'))

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds; what is drawn anew while it is looked at is looked at again."""
        end = time.monotonic() + PATIENCE

        def holds() -> bool:
            with suppress(exceptions.StaleElementReferenceException):
                return condition()
            return False

        while not holds():
            said = self.driver.find_element("css selector", "body").text
            assert time.monotonic() < end, f"{what}; the page says {said}"
            time.sleep(0.2)

    def go_to(self, moment: int) -> None:
        """Move the time slider by its number field."""
        field = self.driver.find_elements("css selector", "input.mantine-NumberInput-input")[0]
        field.click()
        field.send_keys(*("\ue009", "a", "\ue000"), str(moment), "\ue007")

    def show(self, moment: int, step: int, what: str) -> None:
        """Move the time slider until the page shows a step; on a slow machine what still plays undoes it at first."""
        again = 0.0

        def shown() -> bool:
            nonlocal again
            if self.text("step") == str(step):
                return True
            if time.monotonic() > again:
                self.go_to(moment)
                again = time.monotonic() + 5.0
            return False

        self.wait(shown, what)

    def value(self) -> int:
        """Return the moment at which the time slider stands."""
        return int(self.driver.find_element("css selector", "[role=slider]").get_attribute("aria-valuenow"))

    def press(self, label: str) -> None:
        """Press a button."""
        button = self.driver.find_element("xpath", f"//button[contains(., '{label}')]")
        self.driver.execute_script("arguments[0].click()", button)

    def scene(self) -> NDArray[np.int16]:
        """Return the picture (rows, columns, 3) of the 3-D scene beside the panel, once it stands still."""
        seen: list[NDArray[np.int16]] = []

        def still() -> bool:
            time.sleep(0.5)  # the scene is drawn after the panel
            picture = Image.open(io.BytesIO(self.driver.get_screenshot_as_png())).convert("RGB")
            seen.append(np.asarray(picture, dtype=np.int16)[:, :SCENE_WIDTH])
            return len(seen) > 2 and all(changed(seen[-1], other) == 0 for other in seen[-3:-1])

        self.wait(still, "the scene does not come to rest")
        return seen[-1]

    def errors(self) -> list[str]:
        """Return the console's errors."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def picture(self, name: str) -> None:
        """Take a screenshot for the documentation, if it is asked for."""
        folder = os.environ.get("VNB_SCREENSHOTS")
        if folder:
            self.driver.save_screenshot(str(Path(folder) / f"{name}.png"))


def changed(one: NDArray[np.int16], other: NDArray[np.int16]) -> int:
    """Return how many pixels differ by more than what rounding makes."""
    return int((np.abs(one - other).max(axis=-1) > 20).sum())


@contextmanager
def visit(*arguments: str) -> Iterator[Visitor]:
    """Serve the page in a process of its own and open it."""
    command = [sys.executable, "-m", "vnb_bringup.cli", "view", *arguments, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    driver = None
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for option in OPTIONS:
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        driver.get(found.group())
        visitor = Visitor(driver)
        visitor.wait(lambda: bool(visitor.text("time")), "the page did not load")
        yield visitor
    finally:
        if driver is not None:
            driver.quit()
        process.send_signal(signal.SIGINT)
        try:
            status = process.wait(20)
        finally:
            process.kill()
    assert status == 130


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a trial that really ran."""
    folder = tmp_path_factory.mktemp("trial")
    record = run_local_trial(draw_scenario("cube", "nominal", 0), TrialSettings("vnb", "learned", battery=False))
    (folder / "result.json").write_text(result_json(record))
    return folder


@pytest.fixture
def visitor(trial: Path) -> Iterator[Visitor]:
    """Yield a browser with the page of the trial; one for all tests lost what later ones typed."""
    with visit("--result", str(trial)) as page:
        yield page


def test_a_trial_loads_moves_and_shows_the_right_numbers(trial: Path, visitor: Visitor) -> None:
    page, steps = visitor, json.loads((trial / "result.json").read_text())["steps"]
    page.wait(lambda: page.text("step") == "0", "the first moment is not shown")
    last = steps[-1]
    page.show(len(steps) - 1, last["step"], "the slider does not move the page")
    assert page.text("p_fail") == f"{last['p_fail']:.2f}"
    assert page.text("epsilon_hat") == f"{last['epsilon_hat']:.3f}"
    assert page.text("contacts") == f"{sum(last['contact'])} of 5"
    assert [page.text(f"force_{i}") for i in range(5)] == [f"{force:.2f} N" for force in last["force_sensed"]]
    assert "decisions" in page.text("verdict")
    time.sleep(3.0)  # the scene is drawn after the panel
    page.picture("view")
    page.show(0, 0, "the slider does not go back")
    page.press("Play")
    page.wait(lambda: int(page.text("step") or 0) >= 5, "it does not play")
    with suppress(exceptions.NoSuchElementException):  # on a slow machine it is at its end by now
        page.press("Pause")
    assert page.errors() == []


def test_the_scene_moves_with_the_slider(trial: Path, visitor: Visitor) -> None:
    page, steps = visitor, json.loads((trial / "result.json").read_text())["steps"]
    page.show(0, 0, "the slider does not move the page")
    first = page.scene()
    page.show(len(steps) - 1, steps[-1]["step"], "the slider does not move the page")
    assert changed(first, page.scene()) > 1000  # fingers, ghosts and cones of a closed hand
    page.show(0, 0, "the slider does not go back")
    assert changed(first, page.scene()) < 10


def test_the_page_fits_a_phone(visitor: Visitor) -> None:
    page = visitor
    page.driver.set_window_size(390, 844)
    page.show(10, 10, "the slider does not move the page")
    time.sleep(3.0)
    page.picture("view_phone")
    width = "return [document.scrollingElement.scrollWidth, innerWidth]"
    needed, there = page.driver.execute_script(width)
    assert needed <= there
    right = "return Math.max(...[...document.querySelectorAll('[data-vnb]')].map(e => e.getBoundingClientRect().right))"
    assert page.driver.execute_script(right) <= there
    assert page.errors() == []


@pytest.mark.ros
def test_a_bag_shows_the_numbers_of_its_messages(tmp_path: Path) -> None:
    """The page of a recording, against what a reader that is not ours finds in the file."""
    for package in ("rclpy", "vnb_msgs"):
        pytest.importorskip(package)
    run_in_graph("cube", tmp_path / "trial", "--method", "vnb", "--record")
    bag = tmp_path / "trial" / "bag"
    heard = read_independently(bag)
    decided = heard["/planner/status"]
    with visit("--bag", str(bag)) as page:
        page.wait(lambda: bool(page.text("time")), "the bag is not shown")
        last = int(page.driver.find_element("css selector", "[role=slider]").get_attribute("aria-valuemax"))
        assert last >= len(decided) - 1  # every decision can be seen
        pictures = []
        for moment in (last // 4, 3 * last // 4, last):  # before the first decision, between decisions, at the end
            page.go_to(moment)
            page.wait(lambda shown=moment: page.value() == shown, "the slider does not move the page")  # type: ignore[misc]
            pictures.append(page.scene())
            now = float(page.text("time").removesuffix(" s")) + 0.005
            told = {topic: [m for m in heard[topic] if seconds(m) <= now] for topic in DECISION_TOPICS}
            statuses, quality, belief = told["/planner/status"], told["/grasp_quality"][-1], told["/belief"][-1]
            assert page.text("step") == (str(statuses[-1].step) if statuses else "0")
            assert page.text("p_fail") == (f"{statuses[-1].p_fail:.2f}" if statuses else "–")
            assert page.text("cvar") == (f"{statuses[-1].cvar:.3f}" if statuses else "–")
            assert page.text("epsilon_hat") == f"{quality.epsilon_hat:.3f}"
            assert page.text("entropy") == f"{belief.entropy:.1f}"
            assert page.text("contacts") == f"{sum(quality.contact)} of 5"
            assert [page.text(f"force_{i}") for i in range(5)] == [f"{force:.2f} N" for force in quality.force]
        assert statuses
        assert sum(quality.contact) >= 2
        assert heard["/trial/verdict"][-1].message.partition(".")[0] in page.text("verdict")
        assert all(changed(before, after) > 1000 for before, after in pairwise(pictures))
        assert page.errors() == []


DECISION_TOPICS = ("/planner/status", "/grasp_quality", "/belief")


def read_independently(bag: Path) -> dict[str, list[Any]]:
    """Return a bag's messages by topic, decoded by mcap-ros2-support from the definitions in the file."""
    reader = pytest.importorskip("mcap_ros2.reader")
    heard: dict[str, list[Any]] = {}
    for file in sorted(bag.glob("*.mcap")):
        for message in reader.read_ros2_messages(str(file)):
            heard.setdefault(message.channel.topic, []).append(message.ros_msg)
    return heard


def seconds(message: Any) -> float:
    """Return a message's stamp [s]."""
    return float(message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec)


def run_in_graph(name: str, out: Path, *options: str) -> None:
    """Run a trial through the graph to its end."""
    with start_in_graph(name, out, *options) as graph:
        assert graph.wait(240) == 0


def start_in_graph(name: str, out: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start a trial through the graph."""
    command = [sys.executable, "-m", "vnb_bringup.cli", "trial", "--object", name, "--pose-source", "sensor"]
    fixed = ["--no-battery", "--no-pictures", "--out", str(out)]
    return subprocess.Popen([*command, *fixed, *options], stdout=subprocess.DEVNULL)


@pytest.mark.ros
def test_the_page_survives_a_restart_of_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rclpy")
    pytest.importorskip("vnb_msgs")
    with own_domain() as domain:  # another graph of this machine would be followed otherwise
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
        follow_two_graphs(tmp_path)


def follow_two_graphs(tmp_path: Path) -> None:
    with visit() as page:
        for name, method in (("cube", "vnb"), ("box", "scripted")):
            with start_in_graph(name, tmp_path / name, "--method", method, "--record") as graph:
                # A browser beside a trial at full speed sees some of its moments; which, depends on the machine.
                page.wait(lambda shown=name: shown in page.text("verdict"), f"the graph with the {name} is not shown")  # type: ignore[misc]
                assert graph.wait(240) == 0
            summary = json.loads((tmp_path / name / "result.json").read_text())["summary"]
            final = f"{summary['steps']}, {summary['contacts']} of 5 fingers in contact"
            page.wait(lambda shown=final: shown in page.text("verdict"), "the final figures are not shown")  # type: ignore[misc]
            heard = read_independently(tmp_path / name / "bag")
            quality, status = heard["/grasp_quality"][-1], heard["/planner/status"][-1]
            forces = [f"{force:.2f} N" for force in quality.force]
            page.wait(lambda: [page.text(f"force_{i}") for i in range(5)] == forces, f"forces are not {forces}")  # noqa: B023
            assert page.text("step") == str(status.step)
            assert page.text("p_fail") == ("–" if np.isnan(status.p_fail) else f"{status.p_fail:.2f}")
            assert page.text("epsilon_hat") == f"{quality.epsilon_hat:.3f}"
        assert page.errors() == []
