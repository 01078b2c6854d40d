"""The panel of the page: verdict, figures, time, tactile pads, plots."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable
from datetime import datetime
from html import escape

import numpy as np
import viser
from numpy.typing import NDArray
from PIL import Image
from viser import uplot

from vnb_bringup.view import colours
from vnb_bringup.view.drawing import LAYERS
from vnb_bringup.view.history import History
from vnb_bringup.view.scene import figure_text
from vnb_bringup.view.snapshot import FINGERS, Snapshot

Array = NDArray[np.float64]

_PLOT_HEIGHT = 150
_WALL_CLOCK = 1e8
"""Times after this one are of the wall clock [s]: no simulation runs for three years."""
_PLOTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Grasp quality ε": (("epsilon_hat", "from touch", "#0072b2"), ("epsilon_true", "true", "#5a6069")),
    "Risk": (("cvar", "CVaR", "#d55e00"), ("p_fail", "P(fail)", "#7e57c2")),
    "Entropy of the belief [nat]": (("entropy", "entropy", "#009e73"),),
    "Finger forces [N]": tuple(
        (f"force_{i}", finger, colours.css(colour))
        for i, (finger, colour) in enumerate(zip(FINGERS, colours.FINGER_COLOURS, strict=True))
    ),
}
_LAYER_TITLES = {
    "truth": "object (true pose)",
    "estimate": "pose estimate, 2σ ellipsoid",
    "belief": "belief: ghosts, 2σ ellipsoid",
    "contacts": "contacts, friction cones",
    "paths": "planned fingertip paths",
    "clouds": "clouds of the depth cameras",
}
_CELL = "padding:6px 8px;border-radius:6px;background:rgba(127,127,127,.10)"
_SMALL = "font-size:11px;opacity:.72"


class Panel:
    """The panel on a server.

    Args:
        server: Where to make it.
        on_layer: Called with a layer's name and whether it is to be shown.
    """

    def __init__(self, server: viser.ViserServer, on_layer: Callable[[str, bool], None]) -> None:
        gui = server.gui
        self.verdict = gui.add_html(waiting_html("waiting for a trial …"))
        self.player_slot = gui.add_folder("Time", visible=False)
        self.figures = gui.add_html(figures_html(Snapshot()))
        self.pads = gui.add_html(pads_html(Snapshot()))
        tabs = gui.add_tab_group()
        self._plots: dict[str, viser.GuiUplotHandle] = {}
        self._drawn: dict[str, int] = {}
        with tabs.add_tab("Plots"):
            for title, lines in _PLOTS.items():
                self._plots[title] = _add_plot(gui, title, lines)
        with tabs.add_tab("Show"):
            for layer in LAYERS:
                box = gui.add_checkbox(_LAYER_TITLES[layer], True)
                box.on_update(lambda event, layer=layer: on_layer(layer, bool(event.target.value)))  # type: ignore[misc]
            gui.add_html(legend_html())

    def show(self, snapshot: Snapshot, history: History | None) -> None:
        """Show the figures of a moment, and with a history also its plots."""
        _set(self.verdict, verdict_html(snapshot))
        _set(self.figures, figures_html(snapshot))
        _set(self.pads, pads_html(snapshot))
        if history is not None:
            for title, lines in _PLOTS.items():
                self._plots[title].data = plot_data(history, tuple(name for name, _, _ in lines))


def _set(handle: viser.GuiHtmlHandle, content: str) -> None:
    if handle.content != content:
        handle.content = content


def _add_plot(gui: viser.GuiApi, title: str, lines: tuple[tuple[str, str, str], ...]) -> viser.GuiUplotHandle:
    series = [uplot.Series(label="t [s]")]
    series += [uplot.Series(label=label, stroke=colour, width=2) for _, label, colour in lines]
    return gui.add_uplot(
        plot_data(History(), tuple(name for name, _, _ in lines)),
        tuple(series),
        title=title,
        scales={"x": uplot.Scale(time=False, auto=True), "y": uplot.Scale(auto=True)},
        legend=uplot.Legend(show=len(lines) > 1),
        height=_PLOT_HEIGHT,
        padding=(4, 12, 0, 0),
    )


def plot_data(history: History, names: tuple[str, ...]) -> tuple[Array, ...]:
    """Return time and columns as the plots take them: moments at which nothing was computed are left out.

    Time of the wall clock begins with the history: nobody reads seconds since 1970.
    """
    time, *columns = history.columns("time", *names)
    if len(time) and time[0] > _WALL_CLOCK:
        time = time - time[0]
    known = np.isfinite(columns).any(axis=0) if len(time) else np.zeros(0, dtype=bool)
    return (time[known], *(column[known] for column in columns))


def waiting_html(text: str) -> str:
    """Return the place of the verdict before there is one."""
    return f'<div data-vnb="verdict" style="padding:4px 12px;opacity:.75">{escape(text)}</div>'


def verdict_html(snapshot: Snapshot) -> str:
    """Return the verdict, or what goes on until there is one."""
    verdict = snapshot.verdict
    if verdict is None:
        thing = snapshot.object_name.replace("_", " ")
        parts = [part for part in (thing, snapshot.method and f"method {snapshot.method}", snapshot.phase) if part]
        return waiting_html(" · ".join(parts) or "waiting for a trial …")
    rows = "".join(
        f'<tr><td style="opacity:.72;padding-right:12px">{escape(name)}</td><td>{escape(value)}</td></tr>'
        for name, value in verdict.figures
    )
    return (
        f'<div data-vnb="verdict" style="margin:2px 8px;padding:8px 12px;border-radius:6px;'
        f'border-left:4px solid {colours.TONES[verdict.tone]};background:rgba(127,127,127,.10);font-size:13px">'
        f'<b style="color:{colours.TONES[verdict.tone]}">{escape(verdict.headline)}.</b> {escape(verdict.sentence)}'
        f'<table style="font-size:12px;margin-top:4px">{rows}</table></div>'
    )


def figures_html(snapshot: Snapshot) -> str:
    """Return the figures of a moment; each value carries its name as ``data-vnb``."""
    values = {
        "time": ("time", time_text(snapshot.time)),
        "step": ("step", f"{snapshot.step}"),
        "phase": ("phase", escape(snapshot.phase) or "–"),
        "contacts": ("contacts", f"{int(snapshot.contact.sum())} of 5"),
        "epsilon_hat": ("ε from touch", figure_text(snapshot.epsilon_hat)),
        "epsilon_true": ("ε true", figure_text(snapshot.epsilon_true)),
        "p_fail": ("P(fail)", figure_text(snapshot.p_fail, 2)),
        "cvar": ("CVaR", figure_text(snapshot.cvar)),
        "entropy": ("entropy", figure_text(snapshot.entropy, 1)),
    }
    cells = "".join(
        f'<div style="{_CELL}"><div style="{_SMALL}">{title}</div>'
        f'<div data-vnb="{name}" style="font-size:15px;font-variant-numeric:tabular-nums">{text}</div></div>'
        for name, (title, text) in values.items()
    )
    grid = "display:grid;grid-template-columns:repeat(3,1fr);gap:6px;padding:4px 12px"
    return f'<div style="{grid}">{cells}</div>'


def time_text(time: float) -> str:
    """Return a time [s]: simulated in seconds, of the wall clock as the time of day."""
    if time < _WALL_CLOCK:
        return f"{time:.2f} s"
    return datetime.fromtimestamp(time).astimezone().strftime("%H:%M:%S.%f")[:-4]


def pads_html(snapshot: Snapshot) -> str:
    """Return the five tactile pads as pictures, row 0 (the tip) on top, with the force of each finger."""
    friction = None if snapshot.belief is None else snapshot.belief.friction
    cells = []
    for i, finger in enumerate(FINGERS):
        pad = snapshot.taxels[i] if i < len(snapshot.taxels) else np.zeros((0, 0), dtype=np.uint8)
        colour = colours.css(colours.FINGER_COLOURS[i])
        force = figure_text(float(snapshot.force[i]), 2)
        unit = "" if not math.isfinite(snapshot.force[i]) else " N"
        mu = "" if friction is None else f'<br><span style="opacity:.72">µ {friction[i]:.2f}</span>'
        cells.append(
            f'<div style="text-align:center;flex:1;font-size:11px"><div style="color:{colour};font-weight:600">{finger}'
            f'</div>{pad_picture(pad, finger)}<div><span data-vnb="force_{i}">{force}{unit}</span>{mu}</div></div>'
        )
    return f'<div style="display:flex;gap:6px;padding:4px 12px">{"".join(cells)}</div>'


def pad_picture(pad: NDArray[np.uint8], finger: str) -> str:
    """Return a pad (rows, columns) as an HTML picture; an empty frame if there is none."""
    frame = "width:100%;max-width:44px;aspect-ratio:1/2;border-radius:3px;background:rgba(127,127,127,.15)"
    if pad.size == 0:
        return f'<div style="{frame};margin:auto"></div>'
    buffer = io.BytesIO()
    Image.fromarray(heat(pad)).save(buffer, format="png")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    style = f"{frame};image-rendering:pixelated;object-fit:fill"
    return f'<img alt="tactile pad of the {finger}" style="{style}" src="data:image/png;base64,{data}">'


def heat(pad: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the colours (rows, columns, 3) of taxels: from pale over orange to dark red; a light touch shows too."""
    level = np.sqrt(pad / 255.0)
    stops = np.array([[238, 240, 243], [253, 187, 99], [227, 74, 51], [103, 0, 31]], dtype=np.float64)
    at = np.linspace(0.0, 1.0, len(stops))
    return np.stack([np.interp(level, at, stops[:, c]) for c in range(3)], axis=-1).round().astype(np.uint8)


def legend_html() -> str:
    """Return what the colours mean."""
    entries = (
        (colours.css(colours.ESTIMATE), "pose estimate"),
        (colours.css(colours.BELIEF), "belief (opacity = weight)"),
        *((colours.css(c), f) for f, c in zip(FINGERS, colours.FINGER_COLOURS, strict=True)),
    )
    items = "".join(
        f'<span style="white-space:nowrap;margin-right:12px"><span style="display:inline-block;width:10px;height:10px;'
        f'border-radius:2px;background:{colour};margin-right:4px"></span>{name}</span>'
        for colour, name in entries
    )
    return f'<div style="padding:4px 12px;font-size:12px;line-height:1.7">{items}</div>'
