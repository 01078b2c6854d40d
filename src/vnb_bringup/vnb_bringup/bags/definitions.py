"""Message definitions and their type hashes, as the installed packages state them."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vnb_grasp.errors import BagError

RULE = "=" * 80
_INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_PRIMITIVE = frozenset(("bool", "byte", "char", "string", "wstring", "float32", "float64", *_INTEGERS))


@dataclass(frozen=True)
class Definition:
    """A message type.

    Attributes:
        name: ``package/msg/Type``.
        text: Its definition and, after a rule each, those that it nests: what MCAP calls ``ros2msg``.
        type_hash: ``RIHS01_`` and 64 digits (REP 2016); empty if unknown.
    """

    name: str
    text: str
    type_hash: str = ""


def share_folders(environ: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Return the ``share`` folders that hold interfaces: those of ``AMENT_PREFIX_PATH``, then this Python's."""
    prefixes = (os.environ if environ is None else environ).get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return tuple(dict.fromkeys(Path(prefix) / "share" for prefix in (*prefixes, sys.prefix) if prefix))


@cache
def load_definition(name: str, shares: tuple[Path, ...]) -> Definition:
    """Return the definition of a message type.

    Args:
        name: ``package/msg/Type``.
        shares: Folders to look in, in order; see :func:`share_folders`.

    Raises:
        BagError: If the name is no message type's, or no package here defines it.
    """
    path = _find(name, shares)
    texts = {name: path.read_text(encoding="utf-8").rstrip("\n") + "\n"}
    waiting = list(_nested(name, texts[name]))
    while waiting:
        inner = waiting.pop(0)
        if inner not in texts:
            texts[inner] = _find(inner, shares).read_text(encoding="utf-8").rstrip("\n") + "\n"
            waiting += _nested(inner, texts[inner])
    head, *rest = texts
    parts = [texts[head], *(f"{RULE}\nMSG: {_short(inner)}\n{texts[inner]}" for inner in rest)]
    return Definition(name, "".join(parts), _type_hash(name, path.with_suffix(".json")))


def _find(name: str, shares: Iterable[Path]) -> Path:
    if not re.fullmatch(r"\w+/msg/\w+", name):
        raise BagError(f"message type: got {name!r}, expected package/msg/Type")
    for share in shares:
        path = share / f"{name}.msg"
        if path.is_file():
            return path
    raise BagError(
        f"message type {name}: no package here defines it; install or build {name.partition('/')[0]} and source it"
    )


def _type_hash(name: str, path: Path) -> str:
    if not path.is_file():
        return ""
    table = json.loads(path.read_text(encoding="utf-8"))["type_hashes"]
    return next((str(entry["hash_string"]) for entry in table if entry["type_name"] == name), "")


def fields_of(text: str) -> list[str]:
    """Return the fields and constants of one definition's text as ``type name`` lines, comments left out."""
    lines = (" ".join(line.partition("#")[0].split()) for line in text.splitlines())
    return [re.sub(r"\s*=\s*", "=", line) for line in lines if line]


def split_text(name: str, text: str) -> dict[str, str]:
    """Return the definitions in a ``ros2msg`` text by type name in its short form, ``package/Type``."""
    head, *rest = re.split(r"^={80}\n", text, flags=re.MULTILINE)
    texts = {_short(name): head}
    for part in rest:
        title, _, body = part.partition("\n")
        texts[_short(title.removeprefix("MSG:").strip())] = body
    return texts


def _short(name: str) -> str:
    return name.replace("/msg/", "/")


def _nested(owner: str, text: str) -> Iterable[str]:
    """Return the types (``package/msg/Type``) of the fields of a definition that are no primitives."""
    package = owner.partition("/")[0]
    for line in fields_of(text):
        kind = re.sub(r"\[.*|<=.*", "", line.split(" ")[0])
        if kind in _PRIMITIVE:
            continue
        if "/" in kind:
            yield kind if "/msg/" in kind else kind.replace("/", "/msg/")
        else:
            yield f"std_msgs/msg/{kind}" if kind == "Header" else f"{package}/msg/{kind}"


@dataclass(frozen=True)
class Mismatch:
    """A type that the bag was recorded with another definition of.

    Attributes:
        name: ``package/msg/Type``.
        recorded: Type hash in the bag; empty if the bag tells none.
        present: Type hash here; empty if it is not known, or no package here defines the type.
        reasons: What differs, one line each.
    """

    name: str
    recorded: str
    present: str
    reasons: tuple[str, ...]

    def explain(self) -> str:
        """Return the mismatch in words."""
        return f"{self.name}: " + "; ".join(self.reasons)


def compare(recorded: Definition, shares: tuple[Path, ...]) -> Mismatch | None:
    """Return how a recorded type differs from the one of the same name here; None if it does not.

    Equal type hashes decide. Where the bag has none, the fields do; constants and comments do not change the bytes, but
    a constant changes the meaning of a value, so it counts.
    """
    try:
        present = load_definition(recorded.name, shares)
    except BagError as error:
        return Mismatch(recorded.name, recorded.type_hash, "", (str(error).partition(": ")[2],))
    if recorded.type_hash and recorded.type_hash == present.type_hash:
        return None
    reasons = tuple(_differences(recorded, present)) if recorded.text else ()
    if reasons:
        return Mismatch(recorded.name, recorded.type_hash, present.type_hash, reasons)
    if recorded.text and not (recorded.type_hash and present.type_hash):
        return None  # the fields agree, and there are no two hashes to say more
    why = "the type hashes differ, the definitions' texts do not" if recorded.text else "the bag holds no definition"
    return Mismatch(recorded.name, recorded.type_hash, present.type_hash, (why,))


def _differences(recorded: Definition, present: Definition) -> Iterable[str]:
    old, new = split_text(recorded.name, recorded.text), split_text(present.name, present.text)
    for name in dict.fromkeys((*old, *new)):
        before, after = (fields_of(texts.get(name, "")) for texts in (old, new))
        if before == after:
            continue
        gone = [line for line in before if line not in after]
        come = [line for line in after if line not in before]
        if not gone and not come:
            yield f"{name} has its fields in another order"
        if gone:
            yield f"{name} as recorded has `{'`, `'.join(gone)}`, which is not there now"
        if come:
            yield f"{name} as recorded lacks `{'`, `'.join(come)}`"
