"""Trace to Plotly, two functions a figure: `x_data(trace)` is what is shown, `plot_x(...)` how it looks.

The page draws these very figures: it takes layout and colours from `plot_x` of an empty run and fills in the arrays
that `x_data` defines, as steps arrive.  Empty cells are None: a colour always stands for a measured value.  Knows
neither torch nor gradio.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go

from dlm_core.files import ASSETS
from dlm_core.metrics import RaceResult
from dlm_core.trace import Trace
from dlm_core.words import english

Theme = Literal["light", "dark"]
Measure = Literal["confidence", "entropy", "commit"]
MAX_ENTROPY = 8.0  # nats; the colour scale's end, about a uniform choice among 3,000 tokens
MAX_CELLS = (256, 512)  # rows and columns of a heatmap: more could not be seen on a screen

PALETTE = ASSETS / "player" / "palette.json"
_SPEEDS = [digit * 10**power for power in range(6) for digit in (1, 2, 5)]
_RAMP = ("r0", "r1", "r2", "r3", "r4", "r5")


@cache
def palette(theme: Theme) -> dict[str, str]:
    """Return the colours by role.  The ramp is even in lightness, so it survives greyscale and colour blindness."""
    return json.loads(PALETTE.read_text(encoding="utf-8"))[theme]


class HeatmapData(NamedTuple):
    """Rows are positions, one for every position there ever was; columns are steps; None where nothing is to show.

    Of a run with more than `MAX_CELLS` one row stands for `merged[0]` positions and one column for `merged[1]` steps.
    Such a cell has the mean of what was measured in it, or of what was held if that is more of it.
    """

    measured: list[list[float | None]]  # what the model believed at that step
    held: list[list[float | None]]  # positions already written: the value they were written with
    written: list[list[int | None]]  # 1 where a position was written in that step
    shape: tuple[int, int] = (0, 0)  # positions and steps
    merged: tuple[int, int] = (1, 1)
    opening: int = 0  # positions of a fixed beginning, which are never queried: the picture begins after it


def heatmap_data(trace: Trace, measure: Measure, most: tuple[int, int] = MAX_CELLS) -> HeatmapData:
    """Return confidence, entropy, or the step of the commit, for every position at every step."""
    tracks = trace.tracks()
    shape = 1 + max(int(now.max()) for now in tracks), len(trace.steps)
    measured, held, written = (np.full(shape, np.nan) for _ in range(3))
    last = np.full(shape[0], np.nan)
    for step, now in zip(trace.steps, tracks):
        column = step.index
        values = np.full(len(now), float(column)) if measure == "commit" else getattr(step, measure)
        rows = step.written if measure == "commit" else step.measured
        held[:, column] = last
        held[now[rows], column] = np.nan
        measured[now[rows], column] = values[rows]
        written[now[step.written], column] = 1
        last[now[step.written]] = values[step.written]
        last[now[step.blanked | (step.copies != 1)]] = np.nan
    merged = max(1, -(-shape[0] // most[0])), max(1, -(-shape[1] // most[1]))
    (measured, queried), (held, kept), (written, _) = (_merged(cells, merged) for cells in (measured, held, written))
    measured[queried < kept], held[queried >= kept] = np.nan, np.nan
    opening = int(np.append(trace.fixed, False).argmin())
    return HeatmapData(_with_none(measured), _with_none(held), _with_none(written), shape, merged, opening)


def _merged(cells: np.ndarray, by: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of every `by[0]` x `by[1]` cells, NaN where all of them are, and how many of them are not."""
    edges = [range(0, count, step) for count, step in zip(cells.shape, by)]
    total, count = (
        np.add.reduceat(np.add.reduceat(values, edges[0], axis=0), edges[1], axis=1) if values.size else values
        for values in (np.nan_to_num(cells), (~np.isnan(cells)).astype(np.int64))
    )
    return np.round(np.where(count > 0, total / np.maximum(count, 1), np.nan), 4), count


def _with_none(array: np.ndarray) -> list[list]:
    return [[None if value != value else value for value in row] for row in array.tolist()]


def plot_heatmap(data: HeatmapData, measure: Measure, theme: Theme = "light") -> go.Figure:
    """Plot position by step: what was believed, paler what was held, and a mark where a token was written.

    Positions count from 0, as in the file; steps from 1, as a player's do, whose step 0 is the canvas before any.
    """
    colours = palette(theme)
    (positions, steps), (down, across) = data.shape, data.merged
    low, high = {"confidence": (0, 1), "entropy": (0, MAX_ENTROPY), "commit": (0, max(1, steps - 1))}[measure]
    common = {
        "showscale": False, "hoverinfo": "none", "xgap": 0, "ygap": 0,
        "x0": (across + 1) / 2, "dx": across, "y0": (down - 1) / 2, "dy": down,
    }  # fmt: skip
    figure = go.Figure(
        [
            go.Heatmap(
                z=data.held, colorscale=_scale(measure, theme), opacity=0.45, name="held", zmin=low, zmax=high, **common
            ),
            go.Heatmap(
                z=data.measured, colorscale=_scale(measure, theme), name="measured", zmin=low, zmax=high, **common
            ),
            go.Heatmap(
                z=data.written if measure != "commit" else [], colorscale=[[0, colours["now"]], [1, colours["now"]]],
                name="written", zmin=0, zmax=1, **common,
            ),
        ]
    )  # fmt: skip
    figure = _styled(figure, theme).update_layout(
        xaxis={
            "title_text": _merging("figures.step", across), "range": [0.5, max(1, steps) + 0.5],
            "dtick": _whole(steps), "ticks": "outside", "tickcolor": colours["mute"],
        },
        yaxis={
            "title_text": _merging("figures.position", down), "ticks": "outside", "tickcolor": colours["mute"],
            "range": [max(1, positions) - 0.5, data.opening - 0.5], "dtick": _whole(positions - data.opening),
        },
    )  # fmt: skip
    return _framed(figure, right=8)


def _merging(key: str, count: int) -> str:
    """Return the title of an axis, which says how many it shows as one."""
    return english(key) if count == 1 else english("figures.merged").format(title=english(key), count=count)


def _whole(count: int) -> int | None:
    """Return the distance of ticks on an axis of `count` cells: short axes must not be cut into halves of a cell."""
    return 1 if count <= 10 else None


def _scale(measure: Measure, theme: Theme) -> list[list[float | str]]:
    """Return the colour scale: by the root of confidence, whose medians are 0.1 to 0.2; low entropy is strong."""
    colours = [palette(theme)[name] for name in _RAMP]
    stops = np.linspace(0, 1, len(colours))
    if measure == "confidence":
        stops = stops**2
    if measure == "entropy":
        colours = colours[::-1]
    return [[float(stop), colour] for stop, colour in zip(stops, colours)]


class ProgressData(NamedTuple):
    """One value a step: masks left after it, and tokens written in it for each forward pass it took."""

    masks_left: list[int]
    tokens_per_forward: list[float | None]  # None where forwards were not counted


def progress_data(trace: Trace) -> ProgressData:
    """Return how fast the canvas fills."""
    forwards = np.diff([0, *(step.forwards for step in trace.steps)])
    rates = [
        None if step.forwards < 0 else int(step.written.sum()) / max(1, n)
        for step, n in zip(trace.steps, forwards.tolist())
    ]
    return ProgressData(trace.masks_left()[1:], rates)


def plot_progress(data: ProgressData, theme: Theme = "light") -> go.Figure:
    """Plot masks left as a line, tokens per forward as bars."""
    colours = palette(theme)
    figure = go.Figure(
        [
            go.Bar(
                y=data.tokens_per_forward,
                x0=1,
                name=english("figures.tokens_per_forward"),
                marker_color=colours["r2"],
            ),
            go.Scatter(
                y=data.masks_left,
                x0=1,
                name=english("figures.masks_left"),
                mode="lines",
                line={"color": colours["accent"], "width": 2},
                yaxis="y2",  # an axis laid over another is drawn last, and few steps have wide bars
            ),
        ]
    )
    figure.update_traces(hoverinfo="none")
    figure = _styled(figure, theme).update_layout(
        xaxis={
            "title_text": english("figures.step"), "range": [0.5, max(1, len(data.masks_left)) + 0.5],
            "dtick": _whole(len(data.masks_left)),
        },
        yaxis={
            "title_text": english("figures.per_forward"), "side": "right", "rangemode": "tozero", "nticks": 4,
            "tickformat": ".2~f",
        },
        yaxis2={
            "title_text": english("figures.masks"), "side": "left", "rangemode": "tozero", "nticks": 4,
            "overlaying": "y", "tickmode": "auto", "showgrid": False, "zeroline": False, "tickfont": {"size": 11},
            "fixedrange": True, "autorangeoptions": {"include": 4},  # no tick is half a mask
        },
        bargap=0.15,
    )  # fmt: skip
    return _framed(figure, right=56)


class Curve(NamedTuple):
    """Runs from few forwards to many: how fast each wrote, and what its text costs in nats per character."""

    forwards: list[int]
    tokens_per_second: list[float]
    autoregressive_nll: list[float | None]
    pseudo_nll: list[float | None]


class TradeoffData(NamedTuple):
    """Speed against quality for one prompt: diffusion at several numbers of forwards, and autoregression beside it."""

    diffusion: Curve
    autoregression: Curve


def tradeoff_data(diffusion: Sequence[RaceResult], autoregression: RaceResult) -> TradeoffData:
    """Return the sides of a race as curves, fewest forwards first."""
    return TradeoffData(_curve(sorted(diffusion, key=lambda side: side.forwards)), _curve([autoregression]))


def _curve(sides: Sequence[RaceResult]) -> Curve:
    return Curve(*([getattr(side, name) for side in sides] for name in Curve._fields))


def plot_tradeoff(data: TradeoffData, theme: Theme = "light") -> go.Figure:
    """Plot tokens per second against nats per character, in both readings; points carry their forwards."""
    colours, figure = palette(theme), go.Figure()
    for reading, colour, dash in (("autoregressive_nll", "accent", "solid"), ("pseudo_nll", "revise", "dot")):
        for writer, curve, symbol, size in (
            ("diffusion", data.diffusion, "circle", 8), ("autoregression", data.autoregression, "star", 14)
        ):  # fmt: skip
            figure.add_scatter(
                x=curve.tokens_per_second, y=getattr(curve, reading), customdata=curve.forwards,
                name=english(f"figures.{writer}_{reading}"), mode="lines+markers+text",
                textposition="top center", cliponaxis=False,
                text=curve.forwards if reading == "autoregressive_nll" and writer == "diffusion" else None,
                line={"color": colours[colour], "width": 2, "dash": dash},
                marker={"symbol": symbol, "size": size, "color": colours[colour]},
                hovertemplate=english("figures.point"),
            )  # fmt: skip
    figure = _styled(figure, theme).update_layout(
        showlegend=True, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"title": english("figures.tokens_per_second"), "type": "log", "showgrid": True, "tickvals": _SPEEDS},
        yaxis={"title": english("figures.nats_per_character"), "rangemode": "tozero", "showgrid": True},
    )  # fmt: skip
    return figure.update_xaxes(gridcolor=colours["line"]).update_yaxes(gridcolor=colours["line"])


class ScheduleData(NamedTuple):
    """The forward process of one sentence by noise level: the schedule, and the loss measured there."""

    t: list[float]
    alpha: list[float]  # probability that a token is still clean
    loss: list[float | None]  # nats per token under noise; None where there is none


def schedule_data(t: Sequence[float], alpha: Sequence[float], loss: Sequence[float | None]) -> ScheduleData:
    """Return the schedule at the levels `t`, with the loss rounded to what can be seen."""
    return ScheduleData(list(t), list(alpha), [None if nats is None else round(nats, 4) for nats in loss])


def plot_schedule(data: ScheduleData, chosen: int = 0, theme: Theme = "light") -> go.Figure:
    """alpha(t) as a line, the loss as another on an axis of its own, and the chosen level as an upright."""
    colours = palette(theme)
    figure = go.Figure(
        [
            go.Scatter(
                x=data.t, y=data.alpha, name=english("figures.alpha"), line={"color": colours["accent"], "width": 2},
            ),
            go.Scatter(
                x=data.t, y=data.loss, name=english("figures.loss"), yaxis="y2",
                line={"color": colours["revise"], "width": 2, "dash": "dot", "shape": "hv"},
            ),
        ]
    )  # fmt: skip
    figure.update_traces(mode="lines", hoverinfo="none")
    at = data.t[chosen]
    return _styled(figure, theme).update_layout(
        showlegend=True, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        shapes=[{
            "type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper",
            "line": {"color": colours["now"], "width": 2},
        }],
        xaxis={"title": english("figures.noise_level"), "range": [0, 1]},
        yaxis={"title": english("figures.alpha"), "range": [0, 1.02]},
        yaxis2={
            "title": english("figures.nats_per_token"), "overlaying": "y", "side": "right", "rangemode": "tozero",
            "showgrid": False, "automargin": True, "tickfont": {"size": 11}, "fixedrange": True, "zeroline": False,
            "nticks": 5, "tickmode": "auto",
        },
    )  # fmt: skip


def _styled(figure: go.Figure, theme: Theme) -> go.Figure:
    colours = palette(theme)
    axis = {
        "title_standoff": 4,
        "showgrid": False,
        "zeroline": False,
        "tickfont": {"size": 11},
        "automargin": True,
        "fixedrange": True,
    }
    return figure.update_layout(
        template="none", showlegend=False, hovermode="closest", dragmode=False,
        margin={"l": 8, "r": 8, "t": 10, "b": 8},  # the topmost label needs half its height above the axis
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "Inter, system-ui, sans-serif", "size": 12, "color": colours["mute"]},
        xaxis=axis, yaxis=axis,
    )  # fmt: skip


def _framed(figure: go.Figure, right: int) -> go.Figure:
    """Give a styled figure margins that stand still: its plot lies where the page's sketch has it, and never jumps."""
    axis = {"automargin": False, "title_standoff": 4, "title_font_size": 12}
    return figure.update_layout(margin={"l": 56, "r": right, "t": 10, "b": 44}).update_xaxes(axis).update_yaxes(axis)
