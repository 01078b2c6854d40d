from __future__ import annotations

from pathlib import Path

import pytest

from vnb_bringup.report.record import TrialRecord
from vnb_bringup.report.testing import make_record


@pytest.fixture
def record() -> TrialRecord:
    return make_record()


@pytest.fixture(scope="session")
def plain() -> TrialRecord:
    """Return the record of a trial that really ran: a cube that is lifted. One for all tests, as it takes long."""
    from vnb_bringup.report.local import TrialSettings, run_local_trial
    from vnb_sim_bridge.scenario import draw_scenario

    return run_local_trial(draw_scenario("cube", "nominal", 0), TrialSettings("scripted", "prior", battery=False))


@pytest.fixture(scope="session")
def trial(plain: TrialRecord, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return its folder; tests leave it as it is."""
    from vnb_bringup.report.json_report import result_json

    folder = tmp_path_factory.mktemp("trial")
    (folder / "result.json").write_text(result_json(plain))
    return folder
