"""Faults that the emulated arm can have, by name: a new one is one function and one registry line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vnb_grasp.registry import Registry
from vnb_hardware.arm import codes, xml_codec
from vnb_hardware.emulators.arm.servers import finish, reset

if TYPE_CHECKING:
    from vnb_hardware.emulators.arm.emulator import ArmEmulator

_SLOW = 2.0
_ANY = ""


@dataclass
class FaultBoard:
    """What is wrong just now.

    Attributes:
        refuse: New connections are reset.
        silent: No states are sent, though the connections live.
        stale: The last state is sent again and again.
        garbage: Bytes before each state frame.
        chunk: Bytes per segment of the state stream; 0 = a frame each.
        delays: Seconds before the answer, by method; the empty name is any.
        replies: Bodies in place of the answer, by method; the empty name is any.
        text_silent: Text frames are neither obeyed nor answered.
    """

    refuse: bool = False
    silent: bool = False
    stale: bool = False
    garbage: bytes = b""
    chunk: int = 0
    delays: dict[str, float] = field(default_factory=dict)
    replies: dict[str, bytes] = field(default_factory=dict)
    text_silent: bool = False

    def delay_of(self, method: str) -> float:
        """Return the delay of a method's answer [s]."""
        return self.delays.get(method, self.delays.get(_ANY, 0.0))


Fault = Callable[["ArmEmulator"], None]
FAULTS: Registry[Fault] = Registry("fault of the emulated arm")


@FAULTS.register("refuse")
def refuse(emulator: ArmEmulator) -> None:
    """All connections are reset, and new ones too."""
    emulator.faults.refuse = True
    emulator.drop(reset)


@FAULTS.register("slow")
def slow(emulator: ArmEmulator) -> None:
    """Every call is answered two seconds late."""
    emulator.faults.delays[_ANY] = _SLOW


@FAULTS.register("fin")
def fin(emulator: ArmEmulator) -> None:
    """The state stream is closed in good order."""
    emulator.drop(finish, state_only=True)


@FAULTS.register("rst")
def rst(emulator: ArmEmulator) -> None:
    """The state stream is reset."""
    emulator.drop(reset, state_only=True)


@FAULTS.register("silence")
def silence(emulator: ArmEmulator) -> None:
    """The state stream stays open and says nothing."""
    emulator.faults.silent = True


@FAULTS.register("stale")
def stale(emulator: ArmEmulator) -> None:
    """The state stream repeats its last frame."""
    emulator.faults.stale = True


@FAULTS.register("garbage")
def garbage(emulator: ArmEmulator) -> None:
    """The state stream carries bytes that are no frames."""
    emulator.faults.garbage = bytes(range(256)) * 24


@FAULTS.register("split")
def split(emulator: ArmEmulator) -> None:
    """The state stream arrives in segments of seven bytes, which TCP may do and a driver must bear."""
    emulator.faults.chunk = 7


@FAULTS.register("safety_stop")
def safety_stop(emulator: ArmEmulator) -> None:
    """The first safety input opens."""
    emulator.model.safety_stops[0] = True


@FAULTS.register("emergency_stop")
def emergency_stop(emulator: ArmEmulator) -> None:
    """The emergency stop is pressed: the drives go off."""
    with emulator.model.lock:
        emulator.model.emergency_stop, emulator.model.enabled = True, False


@FAULTS.register("joint_limit")
def joint_limit(emulator: ArmEmulator) -> None:
    """The controller reports that a joint ran into its soft limit."""
    with emulator.model.lock:
        emulator.model.main_code, emulator.model.sub_code = 12, 3


@FAULTS.register("collision")
def collision(emulator: ArmEmulator) -> None:
    """The controller's collision detection trips."""
    emulator.model.collision = True


@FAULTS.register("disabled")
def disabled(emulator: ArmEmulator) -> None:
    """The drives are switched off at the pendant."""
    emulator.model.enabled = False


@FAULTS.register("manual")
def manual(emulator: ArmEmulator) -> None:
    """The mode is switched to manual at the pendant."""
    emulator.model.mode = 1


@FAULTS.register("stuck_joint")
def stuck_joint(emulator: ArmEmulator) -> None:
    """Joint 1 does not move any more, though the controller thinks so."""
    emulator.model.frozen_joint = 0


@FAULTS.register("unstoppable")
def unstoppable(emulator: ArmEmulator) -> None:
    """Stops are refused, and text frames ignored: nothing but the button works."""
    emulator.faults.replies["StopMotion"] = xml_codec.dump_response(codes.REFUSED)
    emulator.faults.text_silent = True


@FAULTS.register("oversized")
def oversized(emulator: ArmEmulator) -> None:
    """Every call is answered with a megabyte."""
    emulator.faults.replies[_ANY] = xml_codec.dump_response("x" * (1 << 20))


@FAULTS.register("hostile")
def hostile(emulator: ArmEmulator) -> None:
    """Every call is answered with nested entities."""
    entities = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    document = f'<?xml version="1.0"?><!DOCTYPE bomb [<!ENTITY a0 "x">{entities}]>'
    value = "<methodResponse><params><param><value><string>&a9;</string></value></param></params></methodResponse>"
    emulator.faults.replies[_ANY] = (document + value).encode()


def clear(emulator: ArmEmulator) -> None:
    """Mend everything that a fault broke; what the controller latched, its own reset clears."""
    emulator.faults.__init__()  # type: ignore[misc]
    with emulator.model.lock:
        emulator.model.safety_stops = [False, False]
        emulator.model.emergency_stop = False
        emulator.model.frozen_joint = None
