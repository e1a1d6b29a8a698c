"""The latency percentile spectrum: one panel per operation kind, one line per variant."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from lsmlab_results import style
from lsmlab_results.latency import ONE_IN, carried
from lsmlab_results.style import Look
from lsmlab_results.text import clean, duration

_TICKS = {"p50": "50", "p90": "90", "p99": "99", "p999": "99.9", "p9999": "99.99"}
COLUMNS = 2
SHADED_MAX = 6  # variants; the shades of more run into each other
LEGEND_COLUMNS = 4


def draw(title: str, cells: dict[str, list[dict]], looks: dict[str, Look]) -> Figure | None:
    """`cells`: variant -> its complete records in one workload and phase."""
    kinds = sorted({k for rs in cells.values() for r in rs for k in _kinds(r)})
    if not kinds:
        return None
    shown = [v for v, rs in cells.items() if any(_kinds(r) for r in rs)]
    columns = min(COLUMNS, len(kinds))
    rows = -(-len(kinds) // columns)
    below = style.legend_inches([looks[v].label for v in shown], LEGEND_COLUMNS)
    figure = Figure(figsize=(10.0, 0.5 + 3.4 * rows + below), layout="constrained")
    figure.suptitle(title)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, kind in zip(grid.flat, kinds):
        _panel(axes, kind, {v: cells[v] for v in shown}, looks)
    for axes in grid.flat[len(kinds) :]:
        axes.set_axis_off()
    handles = [style.line_handle(looks[v]) for v in shown]
    style.legend_below(figure, handles, below, LEGEND_COLUMNS)
    return figure


def _kinds(record: dict) -> list[str]:
    return [kind for kind in record.get("latency_ns", {}) if _percentiles(record, kind)]


def _percentiles(record: dict, kind: str) -> dict[str, float]:
    figures = carried(record["latency_ns"][kind])
    return {name: figures[name] for name in ONE_IN if figures.get(name, 0) > 0}


def _panel(axes: Axes, kind: str, cells: dict[str, list[dict]], looks: dict[str, Look]) -> None:
    """Line: geometric mean over blocks; shade, of few variants: lowest to highest block."""
    for variant, records in cells.items():
        found = [_percentiles(r, kind) for r in records if kind in _kinds(r)]
        names = [n for n in ONE_IN if found and all(n in f for f in found)]
        if not names:
            continue
        x = [ONE_IN[n] for n in names]
        values = np.array([[f[n] for n in names] for f in found], dtype=float)
        look = looks[variant]
        axes.plot(
            x, np.exp(np.log(values).mean(axis=0)), color=look.colour, marker=look.marker,
            ls=look.dashes, ms=4.5, lw=1.4,
        )  # fmt: skip
        if len(cells) <= SHADED_MAX:
            low, high = values.min(axis=0), values.max(axis=0)
            axes.fill_between(x, low, high, color=look.colour, alpha=0.10, lw=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(clean(kind, 40), loc="left")
    axes.set_xticks([ONE_IN[n] for n in _TICKS], list(_TICKS.values()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(1.8, 13_000)
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 30 * low else (1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: duration(float(v))))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("percentile of operations (%)")
    axes.set_ylabel("latency (log)")
