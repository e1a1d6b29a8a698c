"""Effects of an experiment: every variant against its base, inside blocks, with a verdict in words."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lsmlab_results import stats

TIME_MARGIN = 0.05  # "no difference" means within this share, for figures of time
COUNTER_MARGIN = 0.03  # and for counted figures
_TIME_METRICS = ("ops_per_s", "drained_ops_per_s", "elapsed_s", "drained_s", "latency_ns.", "cpu_", "flush_bytes_per_s")


@dataclass(frozen=True)
class Effect:
    """One variant against its base in one workload and phase. All figures are ratios to the base.

    `noise` is the ratio that A/A pairs reach here; `needed` the number of blocks that would resolve
    an effect of the size measured; `p` is corrected by Holm over the whole table.
    """

    variant: str
    base: str
    workload: str
    phase: str
    metric: str
    blocks: int
    ratio: float
    low: float | None
    high: float | None
    bca_low: float | None
    bca_high: float | None
    p: float | None
    p_equal: float | None
    noise: float | None
    needed: int | None
    verdict: str


def margin_of(metric: str) -> float:
    """The equivalence margin of a metric, as a share."""
    return TIME_MARGIN if metric.startswith(_TIME_METRICS) else COUNTER_MARGIN


def metric_rows(
    runs: pd.DataFrame, variant: str, workload: str, phase: str, metric: str
) -> pd.DataFrame:
    """The runs of a variant that have the metric, with columns `block` and the metric."""
    if metric not in runs or runs[metric].dtype == object:
        return pd.DataFrame({"block": pd.Series(dtype=int), metric: pd.Series(dtype=float)})
    rows = runs[
        (runs["variant"] == variant) & (runs["workload"] == workload) & (runs["phase"] == phase)
    ]
    return rows.dropna(subset=[metric])


def block_logs(
    runs: pd.DataFrame, variant: str, workload: str, phase: str, metric: str
) -> pd.Series:
    """log(metric) per block; runs that repeat a block are averaged. Figures <= 0 are left out."""
    rows = metric_rows(runs, variant, workload, phase, metric)
    rows = rows[rows[metric] > 0]
    return np.log(rows[metric].astype(float)).groupby(rows["block"]).mean()


def log_ratios(
    runs: pd.DataFrame, variant: str, base: str, workload: str, phase: str, metric: str
) -> np.ndarray:
    """log(variant / base) for each block that holds both."""
    ours = block_logs(runs, variant, workload, phase, metric)
    theirs = block_logs(runs, base, workload, phase, metric)
    return (ours - theirs).dropna().to_numpy()


def aa_pairs(runs: pd.DataFrame) -> set[tuple[str, str]]:
    """Pairs (copy, original) of variants that are the same composition under two names."""
    pairs: set[tuple[str, str]] = set()
    if "aa_of" in runs:
        named = runs.dropna(subset=["aa_of"])
        pairs |= set(zip(named["variant"], named["aa_of"]))
    if "config_hash" in runs and "engine" in runs:
        sure = runs[runs["config_hash"].fillna("") != ""]
        for _, group in sure.groupby(["engine", "config_hash", "workload", "phase"]):
            names = sorted(set(group["variant"]), key=lambda n: (n not in set(runs["base"]), n))
            pairs |= {(copy, names[0]) for copy in names[1:]}
    return {(copy, original) for copy, original in pairs if copy != original}


def compare(runs: pd.DataFrame, metric: str = "ops_per_s") -> list[Effect]:
    """Effects of every variant x workload x phase on `metric`. REQUIRES: complete runs only."""
    pairs = aa_pairs(runs)
    found: list[Effect] = []
    cells = runs[["workload", "phase", "variant", "base"]].drop_duplicates()
    for workload, phase, variant, base in cells.itertuples(index=False):
        if variant == base:
            continue
        logs = log_ratios(runs, variant, base, workload, phase, metric)
        if len(logs):
            noise = [log_ratios(runs, a, b, workload, phase, metric) for a, b in sorted(pairs)]
            found.append(_measure(logs, noise, variant, base, (workload, phase, metric)))
    tested = [i for i, e in enumerate(found) if e.p is not None and (e.variant, e.base) not in pairs]
    for i, p in zip(tested, stats.holm([found[i].p for i in tested])):
        found[i] = replace(found[i], p=p)
    return [replace(e, verdict=_verdict(e, (e.variant, e.base) in pairs)) for e in found]


def _measure(
    logs: np.ndarray, noise: list[np.ndarray], variant: str, base: str, cell: tuple[str, str, str]
) -> Effect:
    """`noise`: the log-ratios of the A/A pairs in the same `cell` (workload, phase, metric)."""
    t = stats.t_interval(logs)
    bca = stats.bca_interval(logs)
    spreads = [float(np.std(found, ddof=1)) for found in (logs, *noise) if len(found) >= 2]
    needed = stats.blocks_needed(max(spreads), t.mean) if len(logs) >= 2 else None
    return Effect(
        variant, base, *cell, len(logs), t.mean, t.low, t.high, bca.low, bca.high,
        stats.t_p_value(logs), stats.tost_p_value(logs, margin_of(cell[2])),
        stats.noise_floor(noise), needed, "",
    )  # fmt: skip


def _verdict(effect: Effect, same: bool) -> str:
    """The sentence for a table, from the strongest claim that the data carry to the weakest."""
    if effect.p is None:
        return "one block: no interval"
    if same:
        return "A/A pair: the same composition twice"
    if effect.p_equal is not None and effect.p_equal < stats.ALPHA:
        return f"equal within {100 * margin_of(effect.metric):.0f} %"
    more = "too small to find"
    if effect.needed:
        more = f"about {max(effect.needed, effect.blocks + 1)} blocks would show it"
    if effect.noise is not None and abs(math.log(effect.ratio)) <= math.log(effect.noise):
        return f"not resolvable here: below the A/A noise; {more}"
    if effect.p < stats.ALPHA:
        return "higher than base" if effect.ratio > 1 else "lower than base"
    if effect.needed and effect.needed <= effect.blocks:
        return "open: not significant after Holm's correction"
    return f"open: {more}"
