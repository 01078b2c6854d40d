"""XML-RPC bodies, read defensively. Pure: bytes in, values out.

The standard library's own reader expands entities, nests without limit and takes bodies of any size. This one refuses
document types and entities (defusedxml), and bounds size, depth and number of values, on both sides of the wire.
"""

from __future__ import annotations

import math
import xmlrpc.client
from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import defusedxml
from defusedxml.ElementTree import fromstring

from vnb_grasp.errors import DeviceFaultError, LinkError

MAX_BODY = 65536
"""Bytes of the longest body that is read; the longest that is known has 33 numbers."""

MAX_DEPTH = 6
MAX_VALUES = 512

_CLIP = 80


def dump_call(method: str, arguments: Sequence[Any]) -> bytes:
    """Return the body of a call; raises :class:`LinkError` for a value that is not finite or has no wire type."""
    _require_finite(arguments)
    try:
        return xmlrpc.client.dumps(tuple(arguments), method).encode()
    except (TypeError, OverflowError) as error:
        raise LinkError(f"call of {method}: got {arguments!r}, which XML-RPC cannot carry: {error}") from error


def dump_response(value: Any) -> bytes:
    """Return the body of a response."""
    return xmlrpc.client.dumps((value,), methodresponse=True).encode()


def dump_fault(text: str) -> bytes:
    """Return the body of a fault."""
    return xmlrpc.client.dumps(xmlrpc.client.Fault(-1, text), methodresponse=True).encode()


def load_response(body: bytes) -> Any:
    """Return the value of a response.

    Raises:
        LinkError: If the body is not a well-formed, bounded and harmless response.
        DeviceFaultError: If it reports a fault.
    """
    root = _parse(body, "methodResponse")
    if len(root) == 1 and root[0].tag == "fault":
        raise DeviceFaultError(f"the controller refused the call: {_Reader().value(_only(root[0], 'value'))!r}")
    parameters = _only(root, "params")
    return _Reader().value(_only(_only(parameters, "param"), "value"))


def load_call(body: bytes) -> tuple[str, list[Any]]:
    """Return method and arguments of a call; raises :class:`LinkError` as :func:`load_response`."""
    root = _parse(body, "methodCall")
    name = root.find("methodName")
    if name is None or not name.text or len(root) > 2:
        raise LinkError("XML-RPC call: got no method name, expected one")
    parameters = root.find("params")
    reader = _Reader()
    return name.text.strip(), [reader.value(_only(item, "value")) for item in parameters or ()]


def _require_finite(values: Sequence[Any]) -> None:
    for value in values:
        if isinstance(value, list | tuple):
            _require_finite(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise LinkError(f"XML-RPC call: got {value}, expected finite numbers")


def _parse(body: bytes, tag: str) -> Element:
    if len(body) > MAX_BODY:
        raise LinkError(f"XML-RPC body: got {len(body)} bytes, expected at most {MAX_BODY}")
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except defusedxml.DefusedXmlException as error:
        raise LinkError(f"XML-RPC body: got a hostile document ({error!r}), expected plain XML") from error
    except (ParseError, ValueError, LookupError) as error:
        raise LinkError(f"XML-RPC body: got {body[:_CLIP]!r}, expected XML: {error}") from error
    if root.tag != tag:
        raise LinkError(f"XML-RPC body: got <{root.tag[:_CLIP]}>, expected <{tag}>")
    return root


def _only(parent: Element, tag: str) -> Element:
    if len(parent) != 1 or parent[0].tag != tag:
        got = ", ".join(child.tag[:_CLIP] for child in parent[:4])
        raise LinkError(f"XML-RPC body: <{parent.tag[:_CLIP]}> holds [{got}], expected one <{tag}>")
    return parent[0]


class _Reader:
    """Reads values of one body and counts them."""

    def __init__(self) -> None:
        self._count = 0

    def value(self, node: Element, depth: int = 0) -> Any:
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_VALUES:
            raise LinkError(f"XML-RPC body: nested deeper than {MAX_DEPTH} or more than {MAX_VALUES} values")
        if len(node) == 0:
            return node.text or ""
        if len(node) != 1:
            raise LinkError(f"XML-RPC value: got {len(node)} children, expected one")
        return self._typed(node[0], depth)

    def _typed(self, node: Element, depth: int) -> Any:
        text = (node.text or "").strip()
        try:
            if node.tag in ("int", "i4"):
                return int(text)
            if node.tag == "double":
                return float(text)
            if node.tag == "boolean":
                return bool(int(text))
        except ValueError as error:
            raise LinkError(f"XML-RPC {node.tag}: got {text[:_CLIP]!r}, expected a number") from error
        if node.tag == "string":
            return node.text or ""
        if node.tag == "array":
            return [self.value(_value(item), depth + 1) for item in _only(node, "data")]
        if node.tag == "struct":
            return dict(self._member(member, depth) for member in node)
        raise LinkError(f"XML-RPC value: got type <{node.tag[:_CLIP]}>, expected one of XML-RPC's")

    def _member(self, member: Element, depth: int) -> tuple[str, Any]:
        if [child.tag for child in member] != ["name", "value"]:
            raise LinkError("XML-RPC struct: a member is not a name and a value")
        return member[0].text or "", self.value(member[1], depth + 1)


def _value(node: Element) -> Element:
    if node.tag != "value":
        raise LinkError(f"XML-RPC array: got <{node.tag[:_CLIP]}>, expected <value>")
    return node
