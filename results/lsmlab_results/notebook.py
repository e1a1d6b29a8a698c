"""Records as pandas frames, for a notebook or script that compares variants and draws its own plots."""

import difflib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from lsmlab_results import effects, histogram, reader

_BLOCK = ["directory", "workload", "phase", "block"]


def load(*directories: str | Path) -> pd.DataFrame:
    """One row per complete run of the result directories: `directory`, the columns of Results.runs,
    and what the variant sets as `cell.SETTING` (text). Raises RecordError."""
    frames = []
    for directory in directories:
        results = reader.read(Path(directory))
        cells = [results.records[i].get("cell", {}) for i in results.usable.index]
        settings = pd.DataFrame(cells, index=results.usable.index).add_prefix("cell.")
        frame = pd.concat([results.usable, settings], axis=1)
        frame.insert(0, "directory", str(directory))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def ratios(
    runs: pd.DataFrame, metric: str = "ops_per_s", base: str | None = None
) -> pd.DataFrame:
    """The metric of every variant over that of `base` (without it: of the base of its records) in
    the same block: a row per directory, workload, phase, block and variant, column `ratio`, which
    is NaN where a figure is 0."""
    _need(runs, metric)
    figures = runs.dropna(subset=[metric]).copy()
    figures["figure"] = np.log(figures[metric].astype(float).where(lambda f: f > 0))
    if base is not None:
        figures["base"] = base
    figures = figures.groupby([*_BLOCK, "variant", "base"], as_index=False)["figure"].mean()
    theirs = figures[[*_BLOCK, "variant", "figure"]].rename(
        columns={"variant": "base", "figure": "base_figure"}
    )
    both = figures.merge(theirs.drop_duplicates([*_BLOCK, "base"]), on=[*_BLOCK, "base"])
    both["ratio"] = np.exp(both["figure"] - both["base_figure"])
    both = both[both["variant"] != both["base"]]
    return both.drop(columns=["figure", "base_figure"]).reset_index(drop=True)


def compare(runs: pd.DataFrame, metric: str = "ops_per_s") -> pd.DataFrame:
    """The effects that the tables show, a row each: `ratio`, `low`, `high`, `p`, `blocks`, `verdict`."""
    _need(runs, metric)
    rows = [
        {"directory": directory, **asdict(effect)}
        for directory, found in runs.groupby("directory", sort=False)
        for effect in effects.compare(found, metric)
    ]
    return pd.DataFrame(rows)


def series(directory: str | Path) -> pd.DataFrame:
    """Throughput over time of the complete runs: `variant`, `workload`, `phase`, `block`, `t_s` (end
    of the interval), `ops`, `ops_per_s`."""
    return pd.DataFrame(
        {**_names(record), **point}
        for record in _usable(directory)
        for point in record.get("series", [])
    )


def latencies(directory: str | Path, kind: str) -> pd.DataFrame:
    """The distribution of a kind of operation, all blocks as one: for each variant, workload and
    phase rising `latency_ns` with the `share` of operations that take no longer."""
    found: dict[reader.Cell, list[histogram.Histogram]] = {}
    for record in _usable(directory):
        text = record.get("latency_ns", {}).get(kind, {}).get("hdr")
        if text is not None:
            found.setdefault(reader.cell_of(record), []).append(histogram.read(text))
    frames = []
    for (variant, workload, phase), histograms in found.items():
        merged = histogram.merge(histograms)
        shares = np.cumsum(merged.counts) / merged.count
        names = {"variant": variant, "workload": workload, "phase": phase}
        frames.append(pd.DataFrame({**names, "latency_ns": merged.upto, "share": shares}))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _usable(directory: str | Path) -> list[dict]:
    results = reader.read(Path(directory))
    return [results.records[i] for i in results.usable.index]


def _names(record: dict) -> dict[str, object]:
    return {name: record[name] for name in ("variant", "workload", "phase", "block")}


def _need(runs: pd.DataFrame, metric: str) -> None:
    """Raises KeyError, with names that are near, for what is no figure of the runs."""
    if metric not in runs or not pd.api.types.is_numeric_dtype(runs[metric]):
        near = difflib.get_close_matches(metric, runs.select_dtypes("number").columns, 3, 0.4)
        raise KeyError(f"the runs have no figure '{metric}'; near are {', '.join(near) or 'none'}")
