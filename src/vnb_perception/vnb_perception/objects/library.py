"""Models of objects by name: from a folder of mesh files where it has one, else from the project's descriptions."""

from __future__ import annotations

from pathlib import Path

from vnb_grasp.description import known_objects
from vnb_grasp.errors import ConfigError, UnknownNameError
from vnb_perception.objects.model import ObjectModel, described_model, mesh_model

SUFFIXES = (".ply", ".obj", ".stl", ".off", ".glb")
"""Of the files that are looked at; each is named after its object."""


class ModelLibrary:
    """Finds models by the names of objects.

    Args:
        folder: Of mesh files in metres; empty for none. A file takes the place of the description of its name.

    Raises:
        ConfigError: If there is no such folder, or two files are of one object.
    """

    def __init__(self, folder: str = "") -> None:
        self._files: dict[str, Path] = {}
        self._made: dict[str, ObjectModel] = {}
        if not folder:
            return
        if not Path(folder).is_dir():
            raise ConfigError(f"meshes: got {folder!r}, expected a folder of mesh files named after their objects")
        for path in sorted(Path(folder).iterdir()):
            if path.suffix.lower() not in SUFFIXES:
                continue
            if path.stem in self._files:
                raise ConfigError(f"meshes: got {self._files[path.stem]} and {path}, expected one file per object")
            self._files[path.stem] = path

    def model(self, name: str) -> ObjectModel:
        """Return the model of an object.

        Raises:
            UnknownNameError: If there is neither a file nor a description; lists the known names.
            PerceptionError: If its file is not a closed surface of a graspable size.
        """
        if name not in self._files:
            known = known_objects()
            if name not in known:
                raise UnknownNameError("object", name, {*known, *self._files})
            return described_model(name)
        if name not in self._made:
            self._made[name] = mesh_model(self._files[name], name)
        return self._made[name]
