"""Definitions of messages: found, put together, and compared with those of a bag."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vnb_bringup.bags.definitions import RULE, Definition, compare, fields_of, load_definition, share_folders
from vnb_bringup.bags.reader import BagReader
from vnb_bringup.bags.testing import TEXT, texts, write_bag
from vnb_grasp.errors import BagError

HASH = "RIHS01_" + "12" * 32
FILES = {
    "demo_msgs/msg/Grasp.msg": "# A grasp.\nstd_msgs/Header header\nFinger[5] fingers  # all\nfloat64[<=3] risk\n"
    "string<=10 name\nuint8 OPEN = 0\n",
    "demo_msgs/msg/Finger.msg": "geometry_msgs/Vector3 force\n",
    "std_msgs/msg/Header.msg": "builtin_interfaces/Time stamp\nstring frame_id\n",
    "std_msgs/msg/String.msg": "string data\n",
    "builtin_interfaces/msg/Time.msg": "int32 sec\nuint32 nanosec\n",
    "geometry_msgs/msg/Vector3.msg": "float64 x\nfloat64 y\nfloat64 z\n",
    "demo_msgs/msg/Grasp.json": json.dumps(
        {
            "type_hashes": [
                {"type_name": "other", "hash_string": "no"},
                {"type_name": "demo_msgs/msg/Grasp", "hash_string": HASH},
            ]
        }
    ),
}


@pytest.fixture
def share(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "share" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "share"


def grasp(share: Path) -> Definition:
    return load_definition("demo_msgs/msg/Grasp", (share,))


def test_a_definition_holds_all_that_it_nests_once(share: Path) -> None:
    found = grasp(share)
    assert found.type_hash == HASH
    head, *rest = found.text.split(f"{RULE}\n")
    assert head == FILES["demo_msgs/msg/Grasp.msg"]
    assert [part.partition("\n")[0] for part in rest] == [
        "MSG: std_msgs/Header",
        "MSG: demo_msgs/Finger",
        "MSG: builtin_interfaces/Time",
        "MSG: geometry_msgs/Vector3",
    ]
    assert load_definition("demo_msgs/msg/Finger", (share,)).type_hash == ""


def test_an_independent_parser_takes_the_text(share: Path) -> None:
    dynamic = pytest.importorskip("mcap_ros2._dynamic")
    assert "demo_msgs/Grasp" in dynamic.generate_dynamic("demo_msgs/msg/Grasp", grasp(share).text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("demo_msgs/Grasp", "expected package/msg/Type"),
        ("../../etc/msg/passwd", "expected package/msg/Type"),
        ("gone_msgs/msg/Grasp", "install or build gone_msgs"),
    ],
)
def test_an_unknown_type_is_told(name: str, expected: str, share: Path) -> None:
    with pytest.raises(BagError, match=expected):
        load_definition(name, (share,))


def test_folders_come_from_the_environment_first() -> None:
    found = share_folders({"AMENT_PREFIX_PATH": "/a:/b:/a:"})
    assert found[:2] == (Path("/a/share"), Path("/b/share"))
    assert len(found) == 3


def test_fields_are_read_without_comments_and_spaces() -> None:
    assert fields_of("# no\n\nuint8  OPEN =  0 # yes\n  float64 x\n") == ["uint8 OPEN=0", "float64 x"]


def recorded(share: Path, old: str = "", new: str = "", type_hash: str = "RIHS01_" + "34" * 32) -> Definition:
    text = grasp(share).text
    assert old in text
    return Definition("demo_msgs/msg/Grasp", text.replace(old, new) if old else text, type_hash)


def test_the_same_type_is_no_mismatch(share: Path) -> None:
    assert compare(grasp(share), (share,)) is None
    assert compare(recorded(share, "# A grasp.", "# Another comment.", ""), (share,)) is None
    assert compare(recorded(share, "# A grasp.", "# Another comment.", HASH), (share,)) is None
    assert compare(Definition("demo_msgs/msg/Grasp", "", HASH), (share,)) is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("float64[<=3] risk\n", "", "demo_msgs/Grasp as recorded lacks `float64[<=3] risk`"),
        ("float64 x\n", "float32 x\n", "geometry_msgs/Vector3 as recorded has `float32 x`, which is not there now"),
        ("float64 x\nfloat64 y\n", "float64 y\nfloat64 x\n", "geometry_msgs/Vector3 has its fields in another order"),
        ("OPEN = 0", "OPEN = 1", "as recorded has `uint8 OPEN=1`"),
        ("# A grasp.", "# Another comment.", "the type hashes differ, the definitions' texts do not"),
    ],
)
def test_a_difference_is_explained(old: str, new: str, expected: str, share: Path) -> None:
    found = compare(recorded(share, old, new), (share,))
    assert found is not None
    assert expected in found.explain()
    assert (found.recorded, found.present) == ("RIHS01_" + "34" * 32, HASH)


def test_a_type_that_is_gone_or_unknown_is_explained(share: Path) -> None:
    gone = compare(Definition("gone_msgs/msg/Grasp", "string x\n", HASH), (share,))
    assert gone is not None and "install or build gone_msgs" in gone.explain()
    blank = compare(Definition("demo_msgs/msg/Grasp", "", ""), (share,))
    assert blank is not None and "the bag holds no definition" in blank.explain()


def test_a_bag_tells_its_mismatches(share: Path, tmp_path: Path) -> None:
    with BagReader(write_bag(tmp_path / "bag", texts(1))) as bag:
        (found,) = bag.mismatches((share,))
        assert found.name == "demo_msgs/msg/Stamped"
        assert bag.mismatches((share,), ["/text"]) == []
        (share / f"{TEXT.name}.msg").write_text("wstring data\n")
        load_definition.cache_clear()
        assert [m.name for m in bag.mismatches((share,), ["/text"])] == [TEXT.name]
    load_definition.cache_clear()
