"""Throughput over time, with what the engine did underneath: flushes, compactions, stalls."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lsmlab_results import style
from lsmlab_results.style import Look

POINTS_MAX = 600  # of the thick line; longer series are averaged in bins
POINTS_BESIDE_MAX = 200  # of each thin one
JOINED_SHARE = 0.001  # of the window: events nearer to each other cannot be told apart
_STALL, _SLOWDOWN, _COMPACTION, _FLUSH = "#BB2222", "#EEBB88", "#7799BB", "#222222"
_LANES = (("flush", _FLUSH), ("compaction", _COMPACTION))
COLUMNS = 3
APART_MAX = 4  # times the shortest run: beyond, each panel has a time axis of its own


def draw(title: str, cells: dict[str, list[dict]], looks: dict[str, Look]) -> Figure | None:
    """One panel per variant. `cells`: variant -> its complete records in one workload and phase."""
    shown = {v: r for v, r in cells.items() if any(_points(record) for record in r)}
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
        2 * rows, columns, squeeze=False, gridspec_kw={"height_ratios": [5, 1] * rows}
    )  # fmt: skip
    top = max(p["ops_per_s"] for rs in shown.values() for r in rs for p in _points(r)) * 1.08 or 1.0
    ends = {variant: 1.02 * max(_end(r) for r in rs) for variant, rs in shown.items()}
    own_time = max(ends.values()) > APART_MAX * min(ends.values())
    for index, (variant, records) in enumerate(shown.items()):
        row, column = divmod(index, columns)
        upper, lower = grid[2 * row][column], grid[2 * row + 1][column]
        _panel(upper, lower, records, looks[variant])
        upper.set_ylim(0, top)
        upper.sharex(lower)
        upper.set_xlim(0, ends[variant] if own_time else max(ends.values()))
        upper.tick_params(labelbottom=False)
        lower.tick_params(labelbottom=own_time or index + columns >= len(shown))
        style.counts(upper.yaxis)
        if column == 0:
            upper.set_ylabel("operations / s")
        if index + columns >= len(shown):
            lower.set_xlabel(f"time in the phase (s{', scales differ' if own_time else ''})")
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
        chosen = record is middle
        t, rate = _thinned(_points(record), POINTS_MAX if chosen else POINTS_BESIDE_MAX)
        upper.plot(
            t, rate, color=look.colour, lw=1.4 if chosen else 0.6, alpha=1 if chosen else 0.35,
            zorder=3 if chosen else 2,
        )  # fmt: skip
    upper.set_title(look.label, loc="left")
    events = middle.get("events", [])
    gap = JOINED_SHARE * middle["elapsed_s"]
    for kind, colour, alpha in (("slowdown", _SLOWDOWN, 0.5), ("stall", _STALL, 0.35)):
        for start, length in _spans(events, kind, gap):
            upper.axvspan(start, start + length, color=colour, alpha=alpha, lw=0.6, zorder=1)
    for lane, (kind, colour) in enumerate(_LANES):
        spans = _spans(events, kind, gap)
        lower.broken_barh(spans, (lane + 0.12, 0.76), color=colour, lw=0.8)
    lower.set_ylim(len(_LANES), 0)
    lower.set_yticks([i + 0.5 for i in range(len(_LANES))], [kind for kind, _ in _LANES])
    lower.tick_params(axis="y", length=0)
    lower.grid(False, axis="y")


def _end(record: dict) -> float:
    """When the last interval or event of the run has ended: compactions may outlive the window."""
    events = (e["t_s"] + e.get("duration_s", 0) for e in record.get("events", []))
    return max([record["elapsed_s"], *(p["t_s"] for p in _points(record)), *events])


def _points(record: dict) -> list[dict]:
    """The intervals that have a rate. A last one below half as long as the one before was cut off by
    the end of the phase: its rate is of a few operations, and would set the height of the axis."""
    points = [p for p in record.get("series", []) if "ops_per_s" in p]
    if len(points) < 3:
        return points
    before, whole, last = (p["t_s"] for p in points[-3:])
    return points[:-1] if last - whole < (whole - before) / 2 else points


def _thinned(points: list[dict], limit: int) -> tuple[np.ndarray, np.ndarray]:
    t = np.array([p["t_s"] for p in points], dtype=float)
    rate = np.array([p["ops_per_s"] for p in points], dtype=float)
    if len(t) <= limit:
        return t, rate
    bins = np.array_split(np.arange(len(t)), limit)
    return np.array([t[b].mean() for b in bins]), np.array([rate[b].mean() for b in bins])


def _spans(events: list[dict], kind: str, gap: float) -> list[tuple[float, float]]:
    """(start, length) of the events of a kind, joined where less than `gap` is between them."""
    joined: list[list[float]] = []
    for event in sorted((e for e in events if e["kind"] == kind), key=lambda e: e["t_s"]):
        start, end = max(event["t_s"], 0), event["t_s"] + event.get("duration_s", 0)
        if joined and start <= joined[-1][1] + gap:
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
