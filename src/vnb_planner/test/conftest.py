"""Fixtures: the tiny hand and ball."""

import pytest

from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.testing import tiny_ball, tiny_hand


@pytest.fixture
def hand() -> HandModel:
    return tiny_hand()


@pytest.fixture
def ball() -> ObjectModel:
    return tiny_ball()
