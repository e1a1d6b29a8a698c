"""The shape of the tree at the end of the run: bytes and tables per level."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from lsmlab_results import style
from lsmlab_results.style import Look
from lsmlab_results.text import short, size

COLUMNS = 3


def draw(title: str, cells: dict[str, list[dict]], looks: dict[str, Look]) -> Figure | None:
    """One panel per variant, means over blocks, down to the deepest level that held anything in one of
    them. Points, as bars on a log axis would have lengths without a meaning; empty levels stay empty."""
    shapes = {v: _shape(rs) for v, rs in cells.items()}
    shapes = {v: s for v, s in shapes.items() if any(b > 0 for b, _ in s.values())}
    if not shapes:
        return None
    held = [level for s in shapes.values() for level, (count, _) in s.items() if count > 0]
    deepest = min(max(1, *held), 63)
    columns = min(COLUMNS, len(shapes))
    rows = -(-len(shapes) // columns)
    head = 0.17 * style.name_lines({v: looks[v] for v in shapes})
    panel = 0.75 + head + 0.26 * (deepest + 1)
    figure = Figure(figsize=(max(6.0, 3.7 * columns), 0.5 + rows * panel), layout="constrained")
    figure.suptitle(title)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    all_bytes = [b for s in shapes.values() for b, _ in s.values() if b > 0]
    for index, (variant, shape) in enumerate(shapes.items()):
        axes = grid.flat[index]
        axes.set_xscale("log", base=2)
        left = min(all_bytes) / 4
        for level, (count, tables) in shape.items():
            if level > deepest or count <= 0:
                continue
            axes.plot(count, level, color=looks[variant].colour, marker="o", ms=7, clip_on=False)
            axes.text(
                1.02, level, f"{size(count)}, {short(tables)} t.", va="center", fontsize=9,
                transform=axes.get_yaxis_transform(),
            )  # fmt: skip
        axes.set_xlim(left, max(all_bytes) * 2)
        axes.set_ylim(deepest + 0.5, -0.5)
        axes.set_yticks(range(deepest + 1), [f"L{i}" for i in range(deepest + 1)])
        axes.xaxis.set_major_locator(LogLocator(base=2, numticks=5))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: size(float(v))))
        axes.grid(False, axis="y")
        axes.set_title(looks[variant].label, loc="left")
        axes.tick_params(labelleft=True)
        if index % columns == 0:
            axes.set_ylabel("level")
        if index + columns >= len(shapes):
            axes.set_xlabel("bytes at the end (log)\nat right: bytes, tables")
            axes.tick_params(labelbottom=True)
    for axes in grid.flat[len(shapes) :]:
        axes.set_axis_off()
    return figure


def _shape(records: list[dict]) -> dict[int, tuple[float, float]]:
    """level -> (mean bytes, mean tables) over the blocks."""
    seen = [r["levels"] for r in records if r.get("levels")]
    found: dict[int, list[tuple[float, float]]] = {}
    for levels in seen:
        for row in levels:
            found.setdefault(int(row["level"]), []).append((row.get("bytes", 0), row.get("tables", 0)))
    return {
        level: tuple(float(f) for f in np.sum(rows, axis=0) / len(seen))
        for level, rows in sorted(found.items())
    }
