"""The core figures of each variant x workload x phase, shared by the terminal table and the report."""

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lsmlab_results import expect, sides, state
from lsmlab_results.effects import Effect, compare
from lsmlab_results.reader import Cell, Results, cell_of
from lsmlab_results.text import clean, natural_key

DUE_SHARE = 0.99  # of the operations that a rate makes due


@dataclass
class Row:
    """One line of the comparison. A figure that was not measured is None.

    ops_per_s and latencies (nanoseconds) are geometric means over blocks, the rest arithmetic ones.
    """

    variant: str
    base: str
    workload: str
    phase: str
    runs: int
    blocks: int  # that its complete runs are of
    incomplete: int
    kind: str = ""
    ops_per_s: float | None = None
    p50_ns: float | None = None
    p99_ns: float | None = None
    write_amplification: float | None = None
    read_amplification: float | None = None
    space_amplification: float | None = None
    compactions: float | None = None
    filter_probes: float | None = None
    cache_hit_rate: float | None = None
    effect: Effect | None = None
    marks: list[str] = field(default_factory=list)


def cells_of(results: Results) -> list[tuple[str, str]]:
    """(workload, phase) in the order of the tables: by name, `load` before `run`."""
    found = set(zip(results.runs["workload"], results.runs["phase"]))
    return sorted(found, key=lambda c: (natural_key(c[0]), c[1]))


def variants_of(results: Results) -> list[str]:
    """Names of the variants: bases first, then by name. The order never depends on run order."""
    bases = set(results.runs["base"])
    return sorted(set(results.runs["variant"]), key=lambda n: (n not in bases, natural_key(n)))


def main_kind(runs: pd.DataFrame) -> str:
    """The operation kind with the most latencies, whose percentiles stand in the tables."""
    counts = {
        c.removeprefix("latency_ns.").removesuffix(".count"): runs[c].sum()
        for c in sorted(runs.columns)
        if c.startswith("latency_ns.") and c.endswith(".count") and runs[c].sum() > 0
    }
    return max(counts, key=counts.__getitem__, default="")


def summarize(results: Results) -> list[Row]:
    """All rows, by workload and phase, then variant."""
    effects = _effects_of(results, "ops_per_s")
    groups = dict(list(results.runs.groupby(["workload", "phase", "variant"], sort=False)))
    rows: list[Row] = []
    for workload, phase in cells_of(results):
        cell = results.usable[
            (results.usable["workload"] == workload) & (results.usable["phase"] == phase)
        ]
        kind = main_kind(cell)
        for variant in variants_of(results):
            runs = groups.get((workload, phase, variant))
            if runs is not None:
                row = _row(runs, kind)
                row.effect = effects.get((variant, workload, phase))
                row.marks = _marks(results, runs) + _paired_marks(results, row)
                rows.append(row)
    stated = sides.stated(results, cell_of)
    for row in rows:
        row.marks += _condition_marks(stated, row)
    _compared_marks(results, rows)
    return rows


def _effects_of(results: Results, metric: str) -> dict[Cell, Effect]:
    return {(e.variant, e.workload, e.phase): e for e in compare(results.usable, metric)}


def _row(runs: pd.DataFrame, kind: str) -> Row:
    good = runs[runs["usable"]]
    first = runs.iloc[0]
    hits, misses = _mean(good, "counters.cache_hits"), _mean(good, "counters.cache_misses")
    lookups = (hits or 0) + (misses or 0)
    known = hits is not None and misses is not None and lookups > 0
    return Row(
        variant=first["variant"], base=first["base"], workload=first["workload"],
        phase=first["phase"], runs=len(good), blocks=good["block"].nunique(),
        incomplete=int((~runs["usable"]).sum()), kind=kind,
        ops_per_s=_geometric(good, "ops_per_s"),
        p50_ns=_geometric(good, f"latency_ns.{kind}.p50"),
        p99_ns=_geometric(good, f"latency_ns.{kind}.p99"),
        write_amplification=_mean(good, "write_amplification"),
        read_amplification=_mean(good, "read_amplification"),
        space_amplification=_mean(good, "space_amplification"),
        compactions=_mean(good, "counters.compactions"),
        filter_probes=_mean(good, "counters.filter_probes"),
        cache_hit_rate=hits / lookups if known else None,
    )  # fmt: skip


def _values(runs: pd.DataFrame, column: str) -> np.ndarray:
    return runs[column].dropna().astype(float).to_numpy() if column in runs else np.array([])


def _mean(runs: pd.DataFrame, column: str) -> float | None:
    values = _values(runs, column)
    return float(values.mean()) if len(values) else None


def _geometric(runs: pd.DataFrame, column: str) -> float | None:
    """Over blocks. None unless every run has the figure: a percentile that only the longer runs
    carry is not that of the variant."""
    if column not in runs or not len(runs) or runs[column].isna().any():
        return None
    figures = runs[column].astype(float)
    if (figures <= 0).any():
        return float(figures.mean())
    return math.exp(np.log(figures).groupby(runs["block"]).mean().mean())


def _marks(results: Results, runs: pd.DataFrame) -> list[str]:
    records = [results.records[i] for i in runs.index]
    marks = []
    incomplete = int((~runs["usable"]).sum())
    if incomplete:
        marks.append(f"{incomplete} of {len(runs)} incomplete")
    idle = sorted({part for r in records for part in r.get("idle_parts", [])})
    marks += [f"idle: {clean(part, 30)}" for part in idle]
    if _values(runs[runs["usable"]], "ops_failed").sum() > 0:
        marks.append("failed operations")
    if runs["mismatch"].any():
        marks.append("figures disagree")
    if any(r.get("workload_standard") is False for r in records):
        marks.append("workload not standard")
    if any(r.get("memory_capped") is False for r in records):
        marks.append("memory not capped")
    if any(r.get("dirty") for r in records):
        marks.append("dirty source")
    if any(r.get("build", {}).get("sanitizer") not in (None, "", "none", False) for r in records):
        marks.append("sanitizer build")
    marks += _not_begun_marks([r for r, good in zip(records, runs["usable"]) if good])
    if sides.other_operations(results, cell_of(records[0]), records[0]["base"]):
        marks.append("other operations than base")
    return marks


def _paired_marks(results: Results, row: Row) -> list[str]:
    """Mark of a ratio that lacks blocks, on whichever side."""
    due = results.blocks_due[(row.workload, row.phase)]
    if row.effect is None or row.effect.blocks + row.effect.zeros >= due:
        return []
    return [f"ratio over {row.effect.blocks} of {due} blocks"]


def _not_begun_marks(records: list[dict]) -> list[str]:
    """Marks of complete runs that were to keep a rate and did not; a run without one has none due."""
    asked = [(r["ops"], r.get("ops_due", 0)) for r in records]
    lacking = sum(due - done for done, due in asked if done < DUE_SHARE * due)
    words = "due operations were not begun: latencies leave out the longest waits"
    return [f"{lacking:.0f} {words}"] if lacking else []


def _condition_marks(stated: dict, row: Row) -> list[str]:
    ours, theirs = (
        stated.get((name, row.workload, row.phase)) for name in (row.variant, row.base)
    )
    names = sides.differing(ours, theirs) if ours and theirs else []
    return [f"differs: {', '.join(clean(n, 30) for n in names)}"] if names else []


def _compared_marks(results: Results, rows: list[Row]) -> None:
    """Adds the marks of rows that a bar compares or that have a ratio with an interval, which a
    single block (a smoke run) has not."""
    barred = expect.compared(results)
    ratios = [row for row in rows if row.effect is not None and row.effect.low is not None]
    sided = {(name, r.workload, r.phase) for r in ratios for name in (r.variant, r.base)}
    for row in rows:
        records = results.usable_records(row.variant, row.workload, row.phase)
        if (row.variant, row.workload, row.phase) in barred:
            row.marks += state.marks(records)
        if (row.variant, row.workload, row.phase) in barred | sided:
            row.marks += state.window_marks(records)
    late = _effects_of(results, "late_ops_per_s") if ratios else {}
    for row in ratios:
        other = late.get((row.variant, row.workload, row.phase))
        row.marks += state.late_marks(row.effect, other)
        row.marks += state.debt_marks(
            results.usable_records(row.variant, row.workload, row.phase),
            results.usable_records(row.base, row.workload, row.phase),
        )
