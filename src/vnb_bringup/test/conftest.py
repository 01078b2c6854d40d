from __future__ import annotations

import pytest

from vnb_bringup.report.record import TrialRecord
from vnb_bringup.report.testing import make_record


@pytest.fixture
def record() -> TrialRecord:
    return make_record()
