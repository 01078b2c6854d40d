"""Load descriptions by name (those that ship with the package) or from a file of the user's own."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from vnb_grasp.description.schema import ArmDescription, CameraDescription, HandDescription, ObjectDescription
from vnb_grasp.errors import DescriptionError, UnknownNameError

M = TypeVar("M", bound=BaseModel)


def known_hands() -> tuple[str, ...]:
    """Return the names of the hand variants that ship with the package."""
    return _known("hands")


def known_arms() -> tuple[str, ...]:
    """Return the names of the arms that ship with the package."""
    return _known("arms")


def known_objects() -> tuple[str, ...]:
    """Return the names of the objects that ship with the package."""
    return _known("objects")


@cache
def load_hand(name: str) -> HandDescription:
    """Load the hand variant ``name``; raises :class:`UnknownNameError` or :class:`DescriptionError`."""
    return _load("hand", "hands", name, HandDescription)


@cache
def load_arm(name: str) -> ArmDescription:
    """Load the arm ``name``; raises :class:`UnknownNameError` or :class:`DescriptionError`."""
    return _load("arm", "arms", name, ArmDescription)


@cache
def load_object(name: str) -> ObjectDescription:
    """Load the object ``name``; raises :class:`UnknownNameError` or :class:`DescriptionError`."""
    return _load("object", "objects", name, ObjectDescription)


def known_cameras() -> tuple[str, ...]:
    """Return the names of the cameras that ship with the package."""
    return _known("cameras")


@cache
def load_camera(name: str) -> CameraDescription:
    """Load the camera ``name``; raises :class:`UnknownNameError` or :class:`DescriptionError`."""
    return _load("camera", "cameras", name, CameraDescription)


def load_hand_file(path: Path) -> HandDescription:
    """Load a hand description from a file of the user's own; raises :class:`DescriptionError`."""
    return _parse(path.read_text(encoding="utf-8"), str(path), HandDescription)


def _folder(kind: str) -> Any:
    return resources.files("vnb_grasp.description") / kind


def _known(kind: str) -> tuple[str, ...]:
    return tuple(sorted(p.name[:-5] for p in _folder(kind).iterdir() if p.name.endswith(".yaml")))


def _load(what: str, kind: str, name: str, model: type[M]) -> M:
    if name not in _known(kind):
        raise UnknownNameError(what, name, _known(kind))
    return _parse((_folder(kind) / f"{name}.yaml").read_text(encoding="utf-8"), f"{kind}/{name}.yaml", model)


def _parse(text: str, where: str, model: type[M]) -> M:
    try:
        return model.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise DescriptionError(f"{where} is not a valid {model.__name__}: {error}; mend the file") from error
