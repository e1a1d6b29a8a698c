"""Throughput over time, with what the engine did underneath: flushes, compactions, stalls."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lsmlab_results import style
from lsmlab_results.style import Look

POINTS_MAX = 600  # per line; longer series are averaged in bins
_STALL, _SLOWDOWN, _COMPACTION, _FLUSH = "#BB2222", "#EEBB88", "#7799BB", "#222222"
_LANES = (("flush", _FLUSH), ("compaction", _COMPACTION))
COLUMNS = 3


def draw(title: str, cells: dict[str, list[dict]], looks: dict[str, Look]) -> Figure | None:
    """One panel per variant. `cells`: variant -> its complete records in one workload and phase."""
    shown = {v: r for v, r in cells.items() if any(record.get("series") for record in r)}
    if not shown:
        return None
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    handles = _legend()
    per_line = len(handles) if columns == COLUMNS else len(handles) // 2
    below = style.legend_inches([h.get_label() for h in handles], per_line)
    head = 0.17 * style.name_lines({v: looks[v] for v in shown})
    size = (max(6.5, 4.0 * columns), 0.4 + below + rows * (2.35 + head))
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title)
    grid = figure.subplots(
        2 * rows, columns, squeeze=False, sharex=True,
        gridspec_kw={"height_ratios": [5, 1] * rows},
    )  # fmt: skip
    top = max(p["ops_per_s"] for rs in shown.values() for r in rs for p in _points(r)) * 1.08 or 1.0
    for index, (variant, records) in enumerate(shown.items()):
        row, column = divmod(index, columns)
        upper, lower = grid[2 * row][column], grid[2 * row + 1][column]
        _panel(upper, lower, records, looks[variant])
        upper.set_ylim(0, top)
        style.counts(upper.yaxis)
        if column == 0:
            upper.set_ylabel("operations / s")
        if index + columns >= len(shown):
            lower.set_xlabel("time in the phase (s)")
            lower.tick_params(labelbottom=True)
    for index in range(len(shown), rows * columns):
        row, column = divmod(index, columns)
        grid[2 * row][column].set_axis_off()
        grid[2 * row + 1][column].set_axis_off()
    style.legend_below(figure, handles, below, per_line)
    return figure


def _panel(upper: Axes, lower: Axes, records: list[dict], look: Look) -> None:
    """Every block as a thin line; the block of median throughput thick, with its events."""
    middle = sorted(records, key=lambda r: r["ops_per_s"])[len(records) // 2]
    for record in records:
        t, rate = _thinned(_points(record))
        chosen = record is middle
        upper.plot(
            t, rate, color=look.colour, lw=1.4 if chosen else 0.6, alpha=1 if chosen else 0.35,
            zorder=3 if chosen else 2,
        )  # fmt: skip
    upper.set_title(look.label, loc="left")
    events = middle.get("events", [])
    for kind, colour, alpha in (("slowdown", _SLOWDOWN, 0.5), ("stall", _STALL, 0.35)):
        for start, length in _spans(events, kind):
            upper.axvspan(start, start + length, color=colour, alpha=alpha, lw=0.6, zorder=1)
    for lane, (kind, colour) in enumerate(_LANES):
        spans = _spans(events, kind)
        lower.broken_barh(spans, (lane + 0.12, 0.76), color=colour, lw=0.8)
    lower.set_ylim(len(_LANES), 0)
    lower.set_yticks([i + 0.5 for i in range(len(_LANES))], [kind for kind, _ in _LANES])
    lower.tick_params(axis="y", length=0)
    lower.grid(False, axis="y")
    lower.set_xlim(left=0)


def _points(record: dict) -> list[dict]:
    return [p for p in record.get("series", []) if "ops_per_s" in p]


def _thinned(points: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    t = np.array([p["t_s"] for p in points], dtype=float)
    rate = np.array([p["ops_per_s"] for p in points], dtype=float)
    if len(t) <= POINTS_MAX:
        return t, rate
    bins = np.array_split(np.arange(len(t)), POINTS_MAX)
    return np.array([t[b].mean() for b in bins]), np.array([rate[b].mean() for b in bins])


def _spans(events: list[dict], kind: str) -> list[tuple[float, float]]:
    """(start, length) of the events of a kind, overlapping ones joined."""
    joined: list[list[float]] = []
    for event in sorted((e for e in events if e["kind"] == kind), key=lambda e: e["t_s"]):
        start, end = max(event["t_s"], 0), event["t_s"] + event.get("duration_s", 0)
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    return [(start, end - start) for start, end in joined]


def _legend() -> list:
    return [
        Line2D([], [], color="#555555", lw=1.4, label="block of median throughput"),
        Line2D([], [], color="#555555", lw=0.6, alpha=0.5, label="other blocks"),
        Patch(color=_FLUSH, label="flush"), Patch(color=_COMPACTION, label="compaction"),
        Patch(color=_STALL, alpha=0.35, label="stall"),
        Patch(color=_SLOWDOWN, alpha=0.5, label="slowdown"),
    ]  # fmt: skip
