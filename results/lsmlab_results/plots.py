"""Draws every plot of a result directory into `plots/`, as SVG for papers and PNG for messages."""

from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from lsmlab_results import plot_bars, plot_latency, plot_levels, plot_time, style
from lsmlab_results.effects import compare
from lsmlab_results.reader import RecordError, Results
from lsmlab_results.summary import cells_of, variants_of
from lsmlab_results.text import clean

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
        "Line: geometric mean over blocks; shade: lowest to highest block.",
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
    drawn: list[Plot] = []
    with style.settings():
        looks = style.looks(variants, set(results.runs["base"]))
        order = cells_of(results)
        effects = sorted(compare(results.usable), key=lambda e: order.index((e.workload, e.phase)))
        figure = plot_bars.draw_ratios("Throughput against the base", effects, looks)
        caption = "Geometric mean of the ratios inside blocks; 95 % interval (paired t on logs)."
        _keep(drawn, figure, folder, "ratio", "Throughput against the base", caption)
        for number, (workload, phase) in enumerate(order):
            cells = {v: results.usable_records(v, workload, phase) for v in variants}
            cells = {v: records for v, records in cells.items() if records}
            where = f"{clean(workload, 60)} ({clean(phase, 20)})"
            for stem, draw, head, text in _PER_CELL:
                title = f"{head}: {where}"
                name = f"{stem}-{number + 1:02d}-{style.slug(workload, phase)}"
                _keep(drawn, draw(title, cells, looks), folder, name, title, text)
    return drawn


def _keep(
    drawn: list[Plot], figure: Figure | None, folder: Path, stem: str, title: str, caption: str
) -> None:
    if figure is not None:
        svg, png = style.save(figure, folder, stem)
        drawn.append(Plot(title, caption, svg, png))
