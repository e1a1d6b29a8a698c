"""Draws every plot of a result directory into `plots/`, as SVG for papers and PNG for messages."""

from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from lsmlab_results import origin, plot_bars, plot_latency, plot_levels, plot_time, style
from lsmlab_results.effects import compare
from lsmlab_results.reader import RecordError, Results
from lsmlab_results.summary import cells_of, variants_of
from lsmlab_results.text import clean, counted

FOLDER = "plots"


@dataclass(frozen=True)
class Plot:
    """A finished plot: a heading, what it shows in words, and its two files."""

    title: str
    caption: str
    svg: Path
    png: Path


_PER_CELL = (
    (
        "throughput", plot_time.draw, "Throughput over time",
        "Operations per second; below, when the engine flushed and compacted.",
    ),
    (
        "latency", plot_latency.draw, "Latency percentiles",
        "Line: geometric mean over blocks; shade, of six variants or fewer: lowest to highest block. "
        "A percentile that fewer than ten latencies of a run lie above is not drawn.",
    ),
    (
        "amplification", plot_bars.draw_amplification, "Amplification",
        "Bar: mean over blocks; line: lowest to highest block.",
    ),
    (
        "levels", plot_levels.draw, "Shape of the tree",
        "Bytes and tables per level at the end, mean over blocks.",
    ),
)  # fmt: skip


def draw_all(results: Results) -> list[Plot]:
    """Draws all plots for which there are figures. Raises RecordError when they cannot be written."""
    folder = results.directory / FOLDER
    if folder.is_symlink():
        raise RecordError(f"{folder}: is a symbolic link, plots are not written through it")
    folder.mkdir(exist_ok=True)
    variants = variants_of(results)[: style.VARIANTS_MAX]
    drawing = _Drawing(folder, origin.line(results))
    with style.settings():
        looks = style.looks(variants, set(results.runs["base"]))
        order = cells_of(results)
        effects = sorted(compare(results.usable), key=lambda e: order.index((e.workload, e.phase)))
        title = f"Throughput against the base{_blocks({e.blocks for e in effects})}"
        caption = "Geometric mean of the ratios inside blocks; 95 % interval (paired t on logs)."
        drawing.keep("ratio", plot_bars.draw_ratios(title, effects, looks), title, caption)
        for number, (workload, phase) in enumerate(order):
            cells = {v: results.usable_records(v, workload, phase) for v in variants}
            cells = {v: records for v, records in cells.items() if records}
            blocks = _blocks({len({r["block"] for r in records}) for records in cells.values()})
            where = f"{clean(workload, 60)} ({clean(phase, 20)}){blocks}"
            for stem, draw, head, text in _PER_CELL:
                title = f"{head}: {where}"
                name = f"{stem}-{number + 1:02d}-{style.slug(workload, phase)}"
                drawing.keep(name, draw(title, cells, looks), title, text)
    return drawing.plots


class _Drawing:
    """The plots that a folder has been given; each file names the `source` of its figures."""

    def __init__(self, folder: Path, source: str) -> None:
        self.plots: list[Plot] = []
        self._folder = folder
        self._source = source

    def keep(self, stem: str, figure: Figure | None, title: str, caption: str) -> None:
        """Saves the figure, if there is one."""
        if figure is not None:
            svg, png = style.save(figure, self._folder, stem, self._source)
            self.plots.append(Plot(title, caption, svg, png))


def _blocks(counts: set[int]) -> str:
    return f", {counted(counts, 'block')}" if counts else ""
