"""Bodies of calls and answers: they round-trip, and hostile or malformed ones are refused."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnb_grasp.errors import DeviceFaultError, LinkError
from vnb_hardware.arm import xml_codec
from vnb_hardware.arm.xml_codec import dump_call, dump_fault, dump_response, load_call, load_response

SCALAR = st.one_of(
    st.integers(-(2**31), 2**31 - 1),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text("abcXYZ0123 <>&\"'äß", max_size=12),
)
VALUE = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=4), max_leaves=12)


def answer(value: str) -> bytes:
    return f"<methodResponse><params><param><value>{value}</value></param></params></methodResponse>".encode()


@given(st.lists(VALUE, max_size=4))
def test_calls_round_trip(arguments: list[Any]) -> None:
    assert load_call(dump_call("MoveJ", arguments)) == ("MoveJ", arguments)


@given(VALUE)
def test_answers_round_trip(value: Any) -> None:
    assert load_response(dump_response(value)) == value


def test_every_type_on_the_wire() -> None:
    assert load_response(answer("<int>-4</int>")) == -4
    assert load_response(answer("<i4>7</i4>")) == 7
    assert load_response(answer("<double>1.5</double>")) == 1.5
    assert load_response(answer("<boolean>1</boolean>")) is True
    assert load_response(answer("bare")) == "bare"
    struct = "<struct><member><name>a</name><value><int>1</int></value></member></struct>"
    assert load_response(answer(struct)) == {"a": 1}
    assert load_response(answer("<array><data><value><int>0</int></value><value>x</value></data></array>")) == [0, "x"]


def test_a_fault_is_an_error_of_the_device() -> None:
    with pytest.raises(DeviceFaultError, match="no method Jump"):
        load_response(dump_fault("no method Jump"))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_never_sent(number: float) -> None:
    with pytest.raises(LinkError, match="expected finite"):
        dump_call("MoveJ", [[0.0, number], 1])


def test_what_the_wire_cannot_carry_is_never_sent() -> None:
    with pytest.raises(LinkError, match="cannot carry"):
        dump_call("Mode", [2**40])
    with pytest.raises(LinkError, match="cannot carry"):
        dump_call("Mode", [object()])


HOSTILE = {
    "entities": b'<!DOCTYPE x [<!ENTITY a "b">]>' + answer("&a;"),
    "external": b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + answer("1"),
    "deep": answer("<array><data><value>" * 50 + "</value></data></array>" * 50),
    "many": answer("<array><data>" + "<value>1</value>" * 1000 + "</data></array>"),
    "long": answer("x" * xml_codec.MAX_BODY),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bodies_are_refused(name: str) -> None:
    with pytest.raises(LinkError, match="XML-RPC"):
        load_response(HOSTILE[name])


MALFORMED = [
    b"",
    b"\xff\xfe",
    b"<methodResponse>",
    b"<html/>",
    b"<methodResponse/>",
    b"<methodResponse><params/></methodResponse>",
    b"<methodResponse><params><param/><param/></params></methodResponse>",
    answer("<int>seven</int>"),
    answer("<double></double>"),
    answer("<int>1</int><int>2</int>"),
    answer("<rocket>1</rocket>"),
    answer("<array><int>1</int></array>"),
    answer("<array><data><int>1</int></data></array>"),
    answer("<struct><member><name>a</name></member></struct>"),
]


@pytest.mark.parametrize("body", MALFORMED)
def test_malformed_answers_are_refused(body: bytes) -> None:
    with pytest.raises(LinkError, match="XML-RPC"):
        load_response(body)


def test_calls_without_a_name_are_refused() -> None:
    with pytest.raises(LinkError, match="no method name"):
        load_call(b"<methodCall><params/></methodCall>")
    with pytest.raises(LinkError, match="expected <methodCall>"):
        load_call(dump_response(1))


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_value_or_an_error_of_the_link(data: bytes) -> None:
    for body in (data, answer(data.decode("latin-1"))):
        with contextlib.suppress(LinkError):
            value = load_response(body)
            assert load_response(dump_response(value)) == value
