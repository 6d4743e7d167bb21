import json

import numpy as np
import pytest
from stand_ins import MASK, record

from dlm_core.canvas import Canvas
from dlm_core.figures import (
    Curve,
    HeatmapData,
    ProgressData,
    heatmap_data,
    palette,
    plot_heatmap,
    plot_progress,
    plot_schedule,
    plot_tradeoff,
    progress_data,
    schedule_data,
    tradeoff_data,
)
from dlm_core.metrics import RaceResult


def test_the_heatmap_shows_what_was_measured_then_what_is_held(network):
    trace = record(network(), Canvas.from_prompt([1], 2, MASK), policy="left_to_right", steps=2)
    first, second = trace.steps
    c0, c1, d1 = (round(float(x), 4) for x in (first.confidence[1], first.confidence[2], second.confidence[2]))
    assert heatmap_data(trace, "confidence") == HeatmapData(
        measured=[[None, None], [c0, None], [c1, d1]],
        held=[[None, None], [None, c0], [None, None]],
        written=[[None, None], [1, None], [None, 1]],
        shape=(3, 2),
        opening=1,
    )
    assert heatmap_data(trace, "commit") == HeatmapData(
        measured=[[None, None], [0, None], [None, 1]],
        held=[[None, None], [None, 0], [None, None]],
        written=[[None, None], [1, None], [None, 1]],
        shape=(3, 2),
        opening=1,
    )


def test_a_merged_cell_has_the_mean_of_what_most_of_its_cells_have(trace):
    exact, coarse = (heatmap_data(trace, "confidence", most) for most in ((16, 6), (8, 2)))
    assert (exact.merged, coarse.merged, coarse.shape) == ((1, 1), (2, 3), (16, 6))
    for r, row in enumerate(coarse.measured):
        for c, mean in enumerate(row):
            parts = {
                kind: [
                    getattr(exact, kind)[i][s]
                    for i in (2 * r, 2 * r + 1)
                    for s in range(3 * c, 3 * c + 3)
                    if getattr(exact, kind)[i][s] is not None
                ]
                for kind in ("measured", "held", "written")
            }
            more = "measured" if len(parts["measured"]) >= len(parts["held"]) else "held"
            told = {"measured": mean, "held": coarse.held[r][c]}
            assert told.pop(more) == (pytest.approx(np.mean(parts[more]), abs=2e-4) if parts[more] else None)
            assert list(told.values()) == [None]
            assert coarse.written[r][c] == (1 if parts["written"] else None)


def test_a_figure_says_how_many_cells_it_shows_as_one_and_keeps_its_axes(trace):
    exact, coarse = (plot_heatmap(heatmap_data(trace, "entropy", most), "entropy") for most in ((16, 6), (8, 2)))
    assert coarse.layout.xaxis.title.text == "step, 3 in one"
    assert coarse.layout.yaxis.title.text == "position, 2 in one"
    assert (coarse.layout.xaxis.range, coarse.layout.yaxis.range) == (
        exact.layout.xaxis.range,
        exact.layout.yaxis.range,
    )
    for part in coarse.data:
        assert (part.x0, part.dx, part.y0, part.dy) == (2, 3, 0.5, 2), "the middle of the first cell, and the next"


def test_entropy_is_told_in_nats_where_it_was_measured(trace):
    data = heatmap_data(trace, "entropy")
    for step in trace.steps:
        column = [row[step.index] for row in data.measured]
        assert [value is not None for value in column] == step.measured.tolist()
        assert column[15] is None or column[15] == pytest.approx(float(step.entropy[15]))


def test_progress_is_masks_left_and_tokens_per_forward(trace):
    assert progress_data(trace) == ProgressData([10, 8, 6, 4, 2, 0], [2.0] * 6)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("measure", ["confidence", "entropy", "commit"])
def test_a_figure_names_its_axes_and_becomes_json(trace, measure, theme):
    figure = json.loads(plot_heatmap(heatmap_data(trace, measure), measure, theme).to_json())
    assert [figure["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis")] == ["step", "position"]
    assert [part["name"] for part in figure["data"]] == ["held", "measured", "written"]
    assert figure["layout"]["xaxis"]["range"] == [0.5, 6.5], "steps are counted as the player counts them, from 1"
    assert figure["layout"]["yaxis"]["range"] == [15.5, 3.5], "on top is the first position behind the prompt"


def test_progress_names_its_axes_and_its_bars_do_not_cover_the_line(trace):
    figure = plot_progress(progress_data(trace))
    layout, (bars, line) = figure.layout, figure.data
    assert (layout.xaxis.title.text, layout.yaxis.title.text, layout.yaxis2.title.text) == (
        "step",
        "per forward",
        "masks",
    )
    assert (bars.type, bars.yaxis, line.yaxis, layout.yaxis2.overlaying) == ("bar", None, "y2", "y")


def test_figures_of_an_empty_run_can_be_drawn():
    plot_heatmap(HeatmapData([], [], []), "commit").to_json()
    plot_progress(ProgressData([], [])).to_json()


def side(forwards, speed, autoregressive_nll=0.5, pseudo_nll=0.25):
    return RaceResult(forwards, 1.0, 9, speed, 0.1, autoregressive_nll, pseudo_nll)


def test_the_tradeoff_goes_from_few_forwards_to_many_with_autoregression_apart():
    data = tradeoff_data([side(64, 80.0), side(4, 900.0, None)], side(96, 200.0, 0.3))
    assert data.diffusion == Curve([4, 64], [900.0, 80.0], [None, 0.5], [0.25, 0.25])
    assert data.autoregression == Curve([96], [200.0], [0.3], [0.25])
    figure = json.loads(plot_tradeoff(data, "dark").to_json())
    assert len({trace["name"] for trace in figure["data"]}) == 4
    assert figure["layout"]["xaxis"]["title"]["text"].startswith("tokens per second")


def test_the_schedule_stands_beside_the_loss_with_the_chosen_level_marked():
    data = schedule_data([0.0, 0.5, 1.0], [1.0, 0.5, 0.0], [None, 1.23456, 4.0])
    assert data.loss == [None, 1.2346, 4.0]
    figure = json.loads(plot_schedule(data, chosen=1).to_json())
    assert [trace["y"] for trace in figure["data"]] == [[1.0, 0.5, 0.0], [None, 1.2346, 4.0]]
    assert figure["layout"]["shapes"][0]["x0"] == figure["layout"]["shapes"][0]["x1"] == 0.5


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_are_legible_and_the_ramp_works_in_greyscale(theme):
    colours = palette(theme)
    ramp = [luminance(colours[f"r{i}"]) for i in range(6)]
    assert ramp == sorted(ramp, reverse=theme == "light"), "confidence must read without hue"
    for paper in ("paper", "card"):
        for ink in ("ink", "mute", "accent", "now", "revise"):
            assert contrast(colours[paper], colours[ink]) >= 4.5, (paper, ink)
    for i in range(6):
        assert contrast(colours[f"r{i}"], colours[f"r{i}-ink"]) >= 4.5, i
    assert contrast(colours["mask"], colours["mask-ink"]) >= 4.5
    assert contrast(colours["accent"], colours["accent-ink"]) >= 4.5
