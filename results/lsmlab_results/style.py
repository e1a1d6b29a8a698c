"""The look shared by all plots: one colour and marker per variant, and how files are saved."""

import os
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from lsmlab_results.text import clean, short, wrap_name

# Paul Tol's "muted" set, which stays apart under the common colour blindnesses; bases are near black.
_BASE = "#222222"
_COLOURS = (
    "#332288", "#CC6677", "#117733", "#DDAA33", "#88CCEE", "#882255", "#44AA99", "#AA4499", "#999933",
)  # fmt: skip
_MARKERS = "os^Dv<>PX*hp"
_DASHES = ("-", "--", ":", "-.")
NAME_WIDTH = 30  # characters before a variant's name is broken into lines
VARIANTS_MAX = 24  # per plot; the tables hold all

_SETTINGS = {
    "font.size": 10, "axes.titlesize": 10, "axes.labelsize": 10, "xtick.labelsize": 9,
    "ytick.labelsize": 9, "legend.fontsize": 9, "figure.titlesize": 12, "figure.dpi": 100,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.color": "#dddddd", "grid.linewidth": 0.6, "axes.axisbelow": True,
    "svg.hashsalt": "lsmlab", "svg.fonttype": "path", "text.parse_math": False,
    "font.family": "DejaVu Sans", "legend.frameon": False, "path.simplify": True,
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """How one variant is drawn everywhere."""

    label: str
    colour: str
    marker: str
    dashes: str


def looks(variants: list[str], bases: Iterable[str]) -> dict[str, Look]:
    """A Look per variant. REQUIRES: the order of summary.variants_of, so that reports agree."""
    known, found, number = set(bases), {}, 0
    for index, name in enumerate(variants):
        label = wrap_name(name, NAME_WIDTH)
        label = f" {label}" if label.startswith("_") else label  # matplotlib hides names with "_"
        marker = _MARKERS[index % len(_MARKERS)]
        if name in known and name == variants[0]:
            found[name] = Look(label, _BASE, marker, "-")
            continue
        dashes = _DASHES[(number // len(_COLOURS)) % len(_DASHES)]
        found[name] = Look(label, _COLOURS[number % len(_COLOURS)], marker, dashes)
        number += 1
    return found


def settings() -> matplotlib.RcParams:
    """Context manager under which figures must be made and saved. The backend stays what it is:
    files need none, and a notebook shall keep its own."""
    defaults = {name: v for name, v in matplotlib.rcParamsDefault.items() if name != "backend"}
    return matplotlib.rc_context({**defaults, **_SETTINGS})


def name_lines(looks_of: dict[str, Look]) -> int:
    """The most lines that any label takes."""
    return max((look.label.count("\n") + 1 for look in looks_of.values()), default=1)


def counts(axis: object) -> None:
    """Ticks such as 10k and 2M on an axis."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(float(value))))


def legend_below(figure: Figure, handles: list, inches: float, columns: int = 4) -> None:
    """Puts a legend under the axes, into the `inches` that the layout keeps free there."""
    height = figure.get_size_inches()[1]
    figure.legend(
        handles=handles, loc="lower center", ncol=min(columns, max(1, len(handles))),
        bbox_to_anchor=(0.5, 0.08 / height), borderaxespad=0.0,
    )  # fmt: skip
    figure.get_layout_engine().set(rect=(0, inches / height, 1, 1 - inches / height))


def legend_inches(labels: list[str], columns: int = 4) -> float:
    """Height that legend_below needs for `labels`."""
    full, longer = divmod(len(labels), columns)  # matplotlib fills column after column
    start, tallest = 0, 0.0
    for column in range(columns):
        end = start + full + (column < longer)
        lines = [label.count("\n") + 1 for label in labels[start:end]]
        tallest = max(tallest, sum(0.07 + 0.135 * count for count in lines))
        start = end
    return 0.25 + tallest


def line_handle(look: Look) -> Line2D:
    """Legend entry of a variant that is drawn as a line."""
    return Line2D([], [], color=look.colour, marker=look.marker, ls=look.dashes, label=look.label)


def whisker(axes: Axes, low: float, high: float, y: float) -> None:
    """A horizontal line from low to high, with a light rim so that it shows on a dark bar."""
    for colour, width, size in (("#ffffff", 2.6, 9), ("#000000", 1.3, 7)):
        axes.plot([low, high], [y, y], color=colour, lw=width)
        axes.plot([low, high], [y, y], color=colour, marker="|", ms=size, mew=width, ls="")


def slug(*parts: str) -> str:
    """A safe file name part: a-z, 0-9 and `-`, never empty, never a path."""
    joined = re.sub(r"[^a-z0-9]+", "-", "-".join(clean(p, 40) for p in parts).lower())
    return joined.strip("-")[:60] or "unnamed"


def save(figure: Figure, folder: Path, stem: str, origin: str) -> list[Path]:
    """Writes `stem`.svg and `stem`.png, with `origin` in the metadata of both; the same figure and
    origin give the same bytes."""
    written = []
    kinds = {
        "svg": {"metadata": {"Date": None, "Description": origin}},
        "png": {"metadata": {"Software": None, "Description": origin}, "dpi": 130},
    }
    for ending, options in kinds.items():
        path = folder / f"{stem}.{ending}"
        partial = folder / f".{stem}.{ending}.partial"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            figure.savefig(partial, format=ending, **options)
        os.replace(partial, path)
        written.append(path)
    return written
