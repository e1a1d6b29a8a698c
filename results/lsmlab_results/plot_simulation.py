"""A simulation over time: what the levels hold, what is written per user byte, what a seek visits."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from lsmlab_results import style
from lsmlab_results.plots import FOLDER
from lsmlab_results.reader import RecordError
from lsmlab_results.simulation import Simulation
from lsmlab_results.text import clean, short, size

STEM = "simulation"


def draw_file(simulation: Simulation) -> list[Path]:
    """Writes plots/simulation.svg and .png. Raises RecordError when they cannot be written."""
    folder = simulation.directory / FOLDER
    if folder.is_symlink():
        raise RecordError(f"{folder}: is a symbolic link, plots are not written through it")
    folder.mkdir(exist_ok=True)
    with style.settings():
        return style.save(draw(simulation), folder, STEM, _asked(simulation.head))


def draw(simulation: Simulation) -> Figure:
    """Three panels over the user bytes written. A load phase before is shaded."""
    samples = simulation.samples
    user = np.array([s["user_bytes"] for s in samples], dtype=float)
    figure = Figure(figsize=(8.0, 8.2), layout="constrained")
    title = clean(f"Simulated: {simulation.head.get('title', '')}", 90)
    figure.suptitle("\n".join(filter(None, (title, _asked(simulation.head)))))
    levels, amplification, runs = figure.subplots(3, 1, sharex=True, height_ratios=[5, 4, 3])
    _levels(levels, user, samples)
    _amplification(amplification, user, samples)
    runs.plot(user, [s["seek_runs"] for s in samples], color="#332288", lw=1.2)
    runs.set_ylabel("runs per seek")
    runs.set_ylim(bottom=0)
    loaded = [s["user_bytes"] for s in samples if s.get("phase") == "load"]
    for axes in (levels, amplification, runs):
        if loaded:
            axes.axvspan(0, max(loaded), color="#eeeeee", zorder=0)
        axes.set_xlim(0, user.max() or 1)
    runs.set_xlabel("user bytes written" + (" (shaded: the load)" if loaded else ""))
    # Powers of two, as the units are: five to nine steps.
    runs.xaxis.set_major_locator(MultipleLocator(2.0 ** np.floor(np.log2((user.max() or 1) / 4.5))))
    runs.xaxis.set_major_formatter(FuncFormatter(lambda v, _: size(float(v))))
    return figure


def _asked(head: dict) -> str:
    """What the simulated tree was asked to hold, as far as the head of the file says it."""
    order, seed = (clean(head.get(name, ""), 60) for name in ("distribution", "seed"))
    figures = {n: v for n in ("keys", "key_bytes", "value_bytes") if _is_figure(v := head.get(n))}
    parts = [order]
    if "keys" in figures:
        parts.append(f"{short(figures['keys'])} keys")
    if "key_bytes" in figures and "value_bytes" in figures:
        parts.append(f"{short(figures['key_bytes'])} + {short(figures['value_bytes'])} bytes each")
    parts.append(f"seed {seed}" if seed else "")
    return "; ".join(part for part in parts if part)


def _is_figure(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _levels(axes: Axes, user: np.ndarray, samples: list[dict]) -> None:
    deepest = max(len(s["levels"]) for s in samples)
    shown = style.looks([f"L{level}" for level in range(deepest)], [])
    for level in range(deepest):
        held = np.array([s["levels"][level]["bytes"] if level < len(s["levels"]) else 0 for s in samples])
        if held.max() > 0:
            look = shown[f"L{level}"]
            axes.plot(user, np.where(held > 0, held, np.nan), color=look.colour, lw=1.2, label=look.label)
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: size(float(v))))
    axes.set_ylabel("bytes in the level (log)")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _amplification(axes: Axes, user: np.ndarray, samples: list[dict]) -> None:
    written = np.array([s["written_bytes"] for s in samples], dtype=float)
    so_far = np.divide(written, user, out=np.zeros_like(written), where=user > 0)
    steps = np.diff(user, prepend=0)
    since = np.divide(np.diff(written, prepend=0), steps, out=np.full_like(written, np.nan), where=steps > 0)
    axes.plot(user, since, color="#88CCEE", lw=1.0, label="write, since the point before")
    axes.plot(user, so_far, color="#222222", lw=1.4, label="write, so far")
    axes.plot(user, [s["space_amplification"] for s in samples], color="#CC6677", lw=1.2, label="space")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("amplification")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
