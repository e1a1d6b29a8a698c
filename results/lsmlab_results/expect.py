"""Bars: the figures that an experiment expects, held against what was measured."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lsmlab_results import sides, state, stats, text
from lsmlab_results.effects import log_ratios
from lsmlab_results.reader import Results
from lsmlab_results.schema import EXPECT_NAMES

SURE_SHARE = 0.9  # the interval must keep the bar within this share


@dataclass(frozen=True)
class Bar:
    """Bounds of the ratio of `variant` to `base` in `metric`; with no base, of the metric itself."""

    workload: str
    phase: str
    variant: str
    base: str
    metric: str
    at_least: float | None
    at_most: float | None

    @property
    def who(self) -> str:
        """The two sides, or the one."""
        return " / ".join(text.clean(n, 80) for n in (self.variant, self.base) if n)

    @property
    def wanted(self) -> str:
        """The bounds in words, or that there are none."""
        bounds = ((">=", self.at_least), ("<=", self.at_most))
        return " ".join(f"{sign} {text.ratio(b)}" for sign, b in bounds if b is not None) or "none"


@dataclass(frozen=True)
class Outcome:
    """What was measured for a bar; `figure` and its bounds are None where there was nothing to compare.

    `passed` is None where there is no bar.
    """

    bar: Bar
    blocks: int
    figure: float | None
    low: float | None
    high: float | None
    passed: bool | None
    planned: int = 0  # blocks
    failed: bool = False  # operations, on either side
    notes: tuple[str, ...] = ()  # beside the verdict, which they leave alone

    @property
    def shown(self) -> str:
        """The figure, with enough digits to be told from a bound that it is beside."""
        bounds = [b for b in (self.bar.at_least, self.bar.at_most) if b is not None]
        short = text.ratio(self.figure)
        if not any(text.ratio(bound) == short for bound in bounds):
            return short
        longer = f"{self.figure:.5g}"
        return longer if longer not in [f"{bound:.5g}" for bound in bounds] else short

    @property
    def counted(self) -> str:
        """The blocks measured, of how many if there should be more."""
        lacking = self.blocks < self.planned
        return f"{self.blocks} of {self.planned}" if lacking else str(self.blocks)


def bars_of(results: Results) -> list[Bar]:
    """The distinct bars that the records carry, in the order met."""
    found = {
        Bar(*(entry[name] for name in EXPECT_NAMES), entry.get("at_least"), entry.get("at_most")): None
        for record in results.records
        for entry in record.get("expect", [])
    }
    return list(found)


def compared(results: Results) -> set[tuple[str, str, str]]:
    """(variant, workload, phase) of either side of every [[expect]] entry."""
    return {
        (variant, bar.workload, bar.phase)
        for bar in bars_of(results)
        for variant in (bar.variant, bar.base)
        if variant
    }


def judge(results: Results, bar: Bar) -> Outcome:
    """Passes when the mean keeps the bounds and its 95 % interval keeps 0.9 of them.

    The mean is the geometric one of ratios, and the arithmetic one of a figure itself, which may be
    0. Every planned block must be there, and no operation may have failed on either side: a store
    that has lost its data answers fast.
    """
    where = (bar.workload, bar.phase, bar.metric)
    if bar.base:
        logs = log_ratios(results.usable, bar.variant, bar.base, *where)
        interval = stats.t_interval(logs) if len(logs) else None
        blocks = len(logs)
    else:
        figures = _block_means(results.usable, bar)
        interval = stats.mean_interval(figures) if len(figures) else None
        blocks = len(figures)
    bounded = bar.at_least is not None or bar.at_most is not None
    if interval is None:
        return Outcome(bar, 0, None, None, None, False if bounded else None)
    broken = failed(results, bar)
    planned = results.blocks_due.get((bar.workload, bar.phase), 0)
    passed = interval.low is not None and blocks == planned and not broken
    if passed and bar.at_least is not None:
        passed = interval.mean >= bar.at_least and interval.low >= SURE_SHARE * bar.at_least
    if passed and bar.at_most is not None:
        passed = interval.mean <= bar.at_most and interval.high <= bar.at_most / SURE_SHARE
    return Outcome(
        bar, blocks, interval.mean, interval.low, interval.high, passed if bounded else None,
        planned, broken, tuple(_notes(results, bar)),
    )  # fmt: skip


def _block_means(runs: pd.DataFrame, bar: Bar) -> np.ndarray:
    """The metric of the variant alone, one figure per block."""
    if bar.metric not in runs or runs[bar.metric].dtype == object:
        return np.array([])
    names = (("variant", bar.variant), ("workload", bar.workload), ("phase", bar.phase))
    rows = runs.dropna(subset=[bar.metric])
    for column, name in names:
        rows = rows[rows[column] == name]
    return rows.groupby("block")[bar.metric].mean().to_numpy(dtype=float)


def _notes(results: Results, bar: Bar) -> list[str]:
    """What a reader must know of the two sides; no ground to fail."""
    if not bar.base:
        return []
    found = sides.differences(results, (bar.variant, bar.workload, bar.phase), bar.base)
    ours, theirs = (
        results.usable_records(name, bar.workload, bar.phase) for name in (bar.variant, bar.base)
    )
    return ([f"differs: {', '.join(found)}"] if found else []) + state.debt_marks(ours, theirs)


def failed(results: Results, bar: Bar) -> bool:
    """Whether an operation failed in a run of either side."""
    return any(
        record.get("ops_failed", 0) > 0
        for record in results.records
        if record["variant"] in (bar.variant, bar.base)
        and (record["workload"], record["phase"]) == (bar.workload, bar.phase)
    )


def missed(outcomes: list[Outcome]) -> bool:
    """Whether any bar was missed."""
    return any(o.passed is False for o in outcomes)


def render(outcomes: list[Outcome]) -> str:
    """One line per bar and a last line with the count."""
    lines = []
    for outcome in outcomes:
        bar = outcome.bar
        word = {True: "pass ", False: "FAIL ", None: "shown"}[outcome.passed]
        where = " ".join(text.clean(n, 60) for n in (bar.workload, bar.phase))
        if outcome.figure is None:
            figures = "not measured"
        else:
            ends = f"{text.ratio(outcome.low)} to {text.ratio(outcome.high)}"
            figures = f"{outcome.shown} ({ends}, {outcome.counted} blocks)"
            figures += ", failed operations" if outcome.failed else ""
        what = f"{text.clean(bar.metric, 60)}: {figures}, bar {bar.wanted}"
        lines.append("; ".join([f"{word} {where}  {bar.who}  {what}", *outcome.notes]))
    bars = [o for o in outcomes if o.passed is not None]
    passed = sum(bool(o.passed) for o in bars)
    return "\n".join([*lines, f"{passed} of {len(bars)} bars passed"]) + "\n"
