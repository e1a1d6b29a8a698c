"""Horizontal bars: ratio to the base with intervals, and amplification."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from lsmlab_results import style
from lsmlab_results.effects import Effect
from lsmlab_results.style import Look
from lsmlab_results.text import clean, ratio, ratio_interval, short, wrap_name

COLUMNS = 3
AMPLIFICATIONS = (
    ("write_amplification", "write amplification", "bytes written / user byte"),
    ("read_amplification", "read amplification", "reads of blocks and values / Get"),
    ("space_amplification", "space amplification", "table and value bytes / live byte"),
)


def draw_ratios(title: str, effects: list[Effect], looks: dict[str, Look]) -> Figure | None:
    """One panel per workload and phase; bars start at 1 on a log axis, so 0.5 and 2 are alike."""
    shown = [e for e in effects if e.variant in looks]
    if not shown:
        return None
    cells = list(dict.fromkeys((e.workload, e.phase) for e in shown))
    names = [v for v in looks if any(e.variant == v for e in shown)]
    columns = min(COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    height = _panel_height(names, looks)
    figure = Figure(figsize=(2.4 + 3.3 * columns, 0.5 + rows * (0.75 + height)), layout="constrained")
    figure.suptitle(title)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    span = _limits(shown)
    bases = list(dict.fromkeys(e.base for e in shown))
    to = wrap_name(bases[0], 30) if len(bases) == 1 else "its base"
    for axes, (workload, phase) in zip(grid.flat, cells):
        found = {e.variant: e for e in shown if (e.workload, e.phase) == (workload, phase)}
        _ratio_panel(axes, names, found, looks, span)
        axes.set_title(f"{wrap_name(workload, 30)} ({clean(phase, 12)})", loc="left")
        noise = next((e.noise for e in found.values() if e.noise is not None), None)
        if noise is not None:
            axes.axvspan(max(1 / noise, span[0]), min(noise, span[1]), color="#e4e4e4", lw=0, zorder=0)
        grey = "" if noise is None else "; grey: A/A noise"
        axes.set_xlabel(f"ops/s as a ratio to {to}\n(log; bar: mean, line: 95 % interval{grey})")
    for axes in grid.flat[len(cells) :]:
        axes.set_axis_off()
    return figure


def _ratio_panel(
    axes: Axes, names: list[str], found: dict[str, Effect], looks: dict[str, Look],
    span: tuple[float, float],
) -> None:  # fmt: skip
    low, high = span
    for y, name in enumerate(names):
        effect = found.get(name)
        if effect is None:
            axes.text(1, y, " not measured", va="center", fontsize=9, color="#777777")
            continue
        axes.barh(y, effect.ratio - 1, left=1, height=0.62, color=looks[name].colour)
        interval = ratio_interval(effect.low, effect.high)
        axes.text(
            1.02, y, f"{ratio(effect.ratio)}\n{interval}", va="center", fontsize=9,
            transform=axes.get_yaxis_transform(), linespacing=1.1,
        )  # fmt: skip
        if effect.low is None:
            continue
        style.whisker(axes, max(effect.low, low), min(effect.high, high), y)
        if effect.low < low:
            axes.plot(low, y, color="#000000", marker="<", ms=7, clip_on=False)
        if effect.high > high:
            axes.plot(high, y, color="#000000", marker=">", ms=7, clip_on=False)
    axes.axvline(1, color="#000000", lw=0.9, ls="--")
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_yticks(range(len(names)), [looks[n].label for n in names])
    axes.grid(False, axis="y")
    axes.xaxis.set_major_locator(FixedLocator(_ratio_ticks(low, high)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.3g}"))


def _limits(effects: list[Effect]) -> tuple[float, float]:
    """Room for all means and for intervals of sensible width; wider ones end in an arrow."""
    far = max(max(e.ratio, 1 / e.ratio) for e in effects)
    wide = max((max(e.high, 1 / max(e.low, 1e-9)) for e in effects if e.low is not None), default=far)
    reach = max(1.15, min(wide, far**1.6 * 1.3) * 1.05)
    low = min(min(e.ratio if e.low is None else e.low, e.ratio) for e in effects)
    high = max(max(e.ratio if e.high is None else e.high, e.ratio) for e in effects)
    return max(1 / reach, min(low / 1.05, 0.95)), min(reach, max(high * 1.05, 1.05))


def _ratio_ticks(low: float, high: float) -> list[float]:
    """Some five round ratios between the limits, 1 among them: the wider the span, the rounder."""
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    steps = {s * 10.0**d for d in decades for s in ((1, 2, 5) if high / low < 100 else (1,))}
    for span, finer in ((20, {0.3, 3.0}), (4, {0.7, 1.5}), (2.5, {0.8, 0.9, 1.1, 1.2})):
        if high / low < span:
            steps |= finer
    chosen = [1.0]
    gap = math.log(high / low) / 6
    inside = sorted(s for s in steps if low <= s <= high)
    for tick in sorted(inside, key=lambda s: abs(math.log(s))):
        if all(abs(math.log(tick / c)) >= gap for c in chosen):
            chosen.append(tick)
    return sorted(chosen)


def draw_amplification(
    title: str, cells: dict[str, list[dict]], looks: dict[str, Look]
) -> Figure | None:
    """Write, read and space amplification side by side; line: lowest to highest block. What is 0
    everywhere is left out: the phase did nothing of that kind."""
    fields = [f for f in AMPLIFICATIONS if any(r.get(f[0]) for rs in cells.values() for r in rs)]
    if not fields:
        return None
    names = list(cells)
    figure = Figure(
        figsize=(2.4 + 2.9 * len(fields), 1.25 + _panel_height(names, looks)), layout="constrained"
    )
    figure.suptitle(title)
    grid = figure.subplots(1, len(fields), squeeze=False, sharey=True)
    for axes, (field, head, unit) in zip(grid.flat, fields):
        top = 0.0
        for y, name in enumerate(names):
            values = np.array([r[field] for r in cells[name] if field in r], dtype=float)
            if not len(values):
                axes.text(0, y, " not measured", va="center", fontsize=9, color="#777777")
                continue
            axes.barh(y, values.mean(), height=0.62, color=looks[name].colour)
            style.whisker(axes, values.min(), values.max(), y)
            axes.text(
                1.02, y, short(float(values.mean())), va="center", fontsize=9,
                transform=axes.get_yaxis_transform(),
            )  # fmt: skip
            top = max(top, values.max())
        axes.set_xlim(0, top * 1.05 or 1)
        axes.set_ylim(len(names) - 0.45, -0.55)
        axes.set_yticks(range(len(names)), [looks[n].label for n in names])
        axes.grid(False, axis="y")
        axes.set_title(head, loc="left")
        axes.set_xlabel(unit)
    return figure


def _panel_height(names: list[str], looks: dict[str, Look]) -> float:
    lines = max(2, style.name_lines({n: looks[n] for n in names}))
    return 0.25 + len(names) * (0.12 + 0.16 * lines)
