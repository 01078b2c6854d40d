"""Make a mesh file of an object fit for the pose estimators: closed, in metres, named after it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def main(
    file: Annotated[Path, typer.Argument(help="Mesh of any format of trimesh: PLY, OBJ, STL, ...")],
    name: Annotated[str, typer.Option(help="Of the object.", show_default="the file's")] = "",
    scale: Annotated[float, typer.Option(help="Factor to metres; 0.001 for a file in millimetres.")] = 1.0,
    centre: Annotated[bool, typer.Option(help="Move the origin to the middle of the bounding box.")] = False,
    hull: Annotated[bool, typer.Option(help="Take the convex hull: for a surface that cannot be closed.")] = False,
    into: Annotated[Path | None, typer.Option(help="Folder to write NAME.ply into.", show_default="only look")] = None,
) -> None:
    """Make a mesh file of an object fit for the pose estimators: closed, in metres, named after it.

    The folder is then the parameter `meshes` of the pose estimators and the fusion.
    """
    from vnb_perception.objects.model import mesh_model, read_mesh

    name = name or file.stem
    mesh = read_mesh(file, scale, hull=hull)
    if centre:
        mesh.apply_translation(-mesh.bounds.mean(axis=0))
    if into is None:
        print(f"{name}: {_size(mesh.extents)}, closed; give --into FOLDER to write it")
        return
    into.mkdir(parents=True, exist_ok=True)
    out = into / f"{name}.ply"
    mesh.export(out)
    model = mesh_model(out)
    turns = {0: f"{len(model.symmetry.turns)} turns look alike", 1: "a solid of revolution", 3: "a ball"}
    print(f"{out}: {_size(model.extents)}, middle of the box at {model.centre.round(4).tolist()} m")
    print(f"symmetry: {turns[len(model.symmetry.axes)]}")


def _size(extents: Any) -> str:
    x, y, z = (1e3 * float(e) for e in extents)
    return f"{x:.1f} x {y:.1f} x {z:.1f} mm"
