"""Effects of an experiment: every variant against its base, inside blocks, with a verdict in words."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lsmlab_results import stats

TIME_MARGIN = 0.05  # "no difference" means within this share, for figures of time
COUNTER_MARGIN = 0.03  # and for counted figures
_TIME_METRICS = (
    "ops_per_s", "late_ops_per_s", "drained_ops_per_s", "elapsed_s", "drained_s", "latency_ns.",
    "cpu_", "flush_bytes_per_s",
)  # fmt: skip


@dataclass(frozen=True)
class Effect:
    """One variant against its base in one workload and phase. Figures are ratios to the base.

    `zeros` counts blocks, beside `blocks`, in which a side's figure is 0 and that have no ratio: the
    mean of the others is no estimate then, and has no interval. `noise` is the ratio that A/A pairs
    reach here; `needed` the number of blocks that would resolve an effect of the size measured; `p`
    and `p_equal` are corrected by Holm over the whole table.
    """

    variant: str
    base: str
    workload: str
    phase: str
    metric: str
    blocks: int
    zeros: int
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


@dataclass(frozen=True)
class Paired:
    """log(variant / base) of each block that holds both, by block, but for the `zeros` blocks in
    which either is 0."""

    logs: np.ndarray
    zeros: int


class BlockLogs:
    """log(metric) of every variant, workload, phase and block: what ratios are made of. Runs that
    repeat a block are averaged."""

    def __init__(self, runs: pd.DataFrame, metric: str) -> None:
        self._logs: dict[tuple[str, str, str], dict[int, float]] = {}
        if metric not in runs or runs[metric].dtype == object:
            return
        rows = runs.dropna(subset=[metric])
        figures: dict[tuple[str, str, str], dict[int, list[float]]] = {}
        names = zip(rows["variant"], rows["workload"], rows["phase"])
        for cell, block, figure in zip(names, rows["block"], rows[metric].astype(float)):
            figures.setdefault(cell, {}).setdefault(block, []).append(figure)
        for cell, blocks in figures.items():
            self._logs[cell] = {block: _mean_log(found) for block, found in blocks.items()}

    def paired(self, variant: str, base: str, workload: str, phase: str) -> Paired:
        """The log-ratios of a variant to a base."""
        ours, theirs = (self._logs.get((name, workload, phase), {}) for name in (variant, base))
        both = np.array([ours[b] - theirs[b] for b in sorted(ours.keys() & theirs.keys())])
        sound = np.isfinite(both)
        return Paired(both[sound], int((~sound).sum()))


def _mean_log(figures: list[float]) -> float:
    return float(np.mean(np.log(figures))) if min(figures) > 0 else -math.inf


def margin_of(metric: str) -> float:
    """The equivalence margin of a metric, as a share."""
    return TIME_MARGIN if metric.startswith(_TIME_METRICS) else COUNTER_MARGIN


def log_ratios(
    runs: pd.DataFrame, variant: str, base: str, workload: str, phase: str, metric: str
) -> np.ndarray:
    """log(variant / base) for each block that holds both; blocks with a 0 are left out."""
    return BlockLogs(runs, metric).paired(variant, base, workload, phase).logs


def aa_pairs(runs: pd.DataFrame) -> set[tuple[str, str]]:
    """Pairs (copy, original) of variants that are the same composition under two names."""
    pairs: set[tuple[str, str]] = set()
    if "aa_of" in runs:
        named = runs.dropna(subset=["aa_of"])
        pairs |= set(zip(named["variant"], named["aa_of"]))
    if "config_hash" in runs and "engine" in runs:
        bases = set(runs["base"])
        sure = runs[runs["config_hash"].fillna("") != ""]
        for _, group in sure.groupby(["engine", "config_hash", "workload", "phase"]):
            names = sorted(set(group["variant"]), key=lambda n: (n not in bases, n))
            pairs |= {(copy, names[0]) for copy in names[1:]}
    return {(copy, original) for copy, original in pairs if copy != original}


def compare(runs: pd.DataFrame, metric: str = "ops_per_s") -> list[Effect]:
    """Effects of every variant x workload x phase on `metric`. REQUIRES: complete runs only."""
    pairs = aa_pairs(runs)
    logs = BlockLogs(runs, metric)
    noise: dict[tuple[str, str], _Noise] = {}
    cells = runs[["workload", "phase", "variant", "base"]].drop_duplicates()
    sides = [c for c in cells.itertuples(index=False, name=None) if c[2] != c[3]]
    measured = [(c, p) for c in sides if len((p := logs.paired(c[2], c[3], *c[:2])).logs)]
    tested = [
        i for i, (cell, paired) in enumerate(measured)
        if len(paired.logs) >= 2 and not paired.zeros and cell[2:] not in pairs
    ]  # fmt: skip
    found: list[Effect] = []
    for (workload, phase, variant, base), paired in measured:
        where = (workload, phase)
        if where not in noise:
            noise[where] = _Noise(logs, pairs, *where)
        cell = (variant, base, *where, metric)
        found.append(_measure(cell, paired, noise[where], stats.ALPHA / max(1, len(tested))))
    for name in ("p", "p_equal"):
        corrected = stats.holm([getattr(found[i], name) for i in tested])
        for i, p in zip(tested, corrected):
            found[i] = replace(found[i], **{name: p})
    return [replace(e, verdict=_verdict(e, (e.variant, e.base) in pairs)) for e in found]


class _Noise:
    """What the A/A pairs of a workload and phase differ by; `floor` is None where there are none."""

    def __init__(
        self, logs: BlockLogs, pairs: set[tuple[str, str]], workload: str, phase: str
    ) -> None:
        found = [logs.paired(a, b, workload, phase).logs for a, b in sorted(pairs)]
        self.floor = stats.noise_floor(found)
        self.deviation = max((float(np.std(f, ddof=1)) for f in found if len(f) >= 2), default=0.0)


def _measure(
    cell: tuple[str, str, str, str, str], paired: Paired, noise: _Noise, alpha: float
) -> Effect:
    """`alpha`: the level of one test that holds for all of the table."""
    logs = paired.logs
    t = stats.t_interval(logs)
    if paired.zeros:
        nothing = (None,) * 6
        held = (len(logs), paired.zeros, t.mean)
        return Effect(*cell, *held, *nothing, noise.floor, None, "")
    bca = stats.bca_interval(logs)
    needed = None
    if len(logs) >= 2:
        deviation = max(float(np.std(logs, ddof=1)), noise.deviation)
        needed = stats.blocks_needed(deviation, t.mean, alpha=alpha)
    return Effect(
        *cell, len(logs), 0, t.mean, t.low, t.high, bca.low, bca.high,
        stats.t_p_value(logs), stats.tost_p_value(logs, margin_of(cell[4])), noise.floor, needed,
        "",
    )  # fmt: skip


def _verdict(effect: Effect, same: bool) -> str:
    """The sentence for a table, from the strongest claim that the data carry to the weakest."""
    if effect.zeros:
        all_of_them = effect.blocks + effect.zeros
        return f"no verdict: the figure is 0 in {effect.zeros} of {all_of_them} blocks"
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
