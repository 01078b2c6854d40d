"""The page of ``./vnb view`` in a real headless Chromium, where one is installed.

With ``VNB_SCREENSHOTS=docs/images`` the pictures of the documentation are taken on the way.
"""

from __future__ import annotations

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
from pathlib import Path
from typing import Any

import pytest

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

    def press(self, label: str) -> None:
        """Press a button."""
        button = self.driver.find_element("xpath", f"//button[contains(., '{label}')]")
        self.driver.execute_script("arguments[0].click()", button)

    def errors(self) -> list[str]:
        """Return the console's errors."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def picture(self, name: str) -> None:
        """Take a screenshot for the documentation, if it is asked for."""
        folder = os.environ.get("VNB_SCREENSHOTS")
        if folder:
            self.driver.save_screenshot(str(Path(folder) / f"{name}.png"))


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
def test_the_page_survives_a_restart_of_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rclpy")
    pytest.importorskip("vnb_msgs")
    with own_domain() as domain:  # another graph of this machine would be followed otherwise
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
        follow_two_graphs(tmp_path)


def follow_two_graphs(tmp_path: Path) -> None:
    with visit() as page:
        for name in ("cube", "box"):
            command = [sys.executable, "-m", "vnb_bringup.cli", "trial", "--object", name, "--method", "scripted"]
            options = ["--pose-source", "sensor", "--no-battery", "--no-pictures", "--out", str(tmp_path / name)]
            with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL) as graph:
                # A browser beside a trial at full speed sees some of its moments; which, depends on the machine.
                page.wait(lambda shown=name: shown in page.text("verdict"), f"the graph with the {name} is not shown")  # type: ignore[misc]
                assert graph.wait(240) == 0
            summary = json.loads((tmp_path / name / "result.json").read_text())["summary"]
            final = f"{summary['steps']}, {summary['contacts']} of 5 fingers in contact"
            page.wait(lambda shown=final: shown in page.text("verdict"), "the final figures are not shown")  # type: ignore[misc]
        assert page.errors() == []
