"""Show a running graph, a bag or a finished trial as a page in the browser."""

from __future__ import annotations

import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vnb_bringup.commands._shared import known_names

if TYPE_CHECKING:
    from vnb_bringup.view.page import Page
    from vnb_grasp.description import ArmDescription, HandDescription

_PERIOD = 0.1
_FOLLOW_PERIOD = 1.0


def main(
    bag: Annotated[Path | None, typer.Option(help="Bag to show, with a time slider, instead of a graph.")] = None,
    result: Annotated[Path | None, typer.Option(help="Folder of a ./vnb trial to show.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")] = 8080,
    hand: Annotated[str, typer.Option(help="Hand variant.")] = "l6_v31",
    namespace: Annotated[str, typer.Option(help="Namespace of the graph's topics.")] = "",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = False,
) -> None:
    """Show a running graph, a bag or a finished trial as a page in the browser.

    The page is served to this machine only. Without --bag and --result it follows whatever graph runs here, also when
    it ends and another one begins: start it beside `./vnb trial`.
    """
    from vnb_bringup.view.page import Page
    from vnb_bringup.view.server import open_server
    from vnb_grasp.description import load_arm, load_hand

    if bag is not None and result is not None:
        raise typer.BadParameter("--bag and --result exclude one another; give one of them")
    with known_names():
        arm, hand_description = load_arm("fr3"), load_hand(hand)
    moments = _known_moments(bag, result, namespace, arm, hand_description)
    server = open_server(port)
    try:
        page = Page(server, arm, hand_description)
        address = f"http://{server.get_host()}:{server.get_port()}"
        what = f"{bag or result}" if moments is not None else "the graph that runs here"
        print(f"{what}: open {address} in a browser; Ctrl-C ends.", flush=True)
        if browser:
            webbrowser.open(address)
        if moments is not None:
            _play(page, moments)
        else:
            _follow(page, arm, hand_description, namespace)
    finally:
        server.stop()


def _known_moments(
    bag: Path | None, result: Path | None, namespace: str, arm: ArmDescription, hand: HandDescription
) -> list | None:
    """Return the snapshots of a bag or a trial; None if neither is given."""
    if bag is not None:
        from vnb_bringup.view.assemble import Assembler
        from vnb_bringup.view.bag import read_bag

        return read_bag(bag, Assembler(arm.joint_names, hand.joint_names), namespace)
    if result is not None:
        from vnb_bringup.view.result import result_snapshots

        return result_snapshots(result)
    return None


def _play(page: Page, moments: list) -> None:
    from vnb_bringup.view.page import Player

    player = Player(page, moments)
    before = time.monotonic()
    while True:
        time.sleep(_PERIOD)
        now = time.monotonic()
        player.tick(now - before)
        before = now


def _follow(page: Page, arm: ArmDescription, hand: HandDescription, namespace: str) -> None:
    from vnb_bringup.view.history import History
    from vnb_bringup.view.live import LiveSource

    history, shown, looked = History(), (-1, -1), time.monotonic()
    with LiveSource(arm, hand, namespace) as source:
        while True:
            time.sleep(_PERIOD)
            if time.monotonic() - looked > _FOLLOW_PERIOD:
                source.follow()
                looked = time.monotonic()
            count, snapshot = source.latest()
            if (source.domain, count) == shown or count == 0:
                continue
            shown = source.domain, count
            for moment in (*source.passed(), snapshot):
                history.add(moment)
            page.show(snapshot, history)
