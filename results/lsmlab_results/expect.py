"""Bars: the figures that an experiment expects, held against what was measured."""

from dataclasses import dataclass

from lsmlab_results import stats, text
from lsmlab_results.effects import block_logs, log_ratios
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


def bars_of(results: Results) -> list[Bar]:
    """The distinct bars that the records carry, in the order met."""
    found = {
        Bar(*(entry[name] for name in EXPECT_NAMES), entry.get("at_least"), entry.get("at_most")): None
        for record in results.records
        for entry in record.get("expect", [])
    }
    return list(found)


def judge(results: Results, bar: Bar) -> Outcome:
    """Passes when the geometric mean keeps the bounds and its 95 % interval keeps 0.9 of them."""
    where = (bar.workload, bar.phase, bar.metric)
    if bar.base:
        logs = log_ratios(results.usable, bar.variant, bar.base, *where)
    else:
        logs = block_logs(results.usable, bar.variant, *where).to_numpy()
    bounded = bar.at_least is not None or bar.at_most is not None
    if not len(logs):
        return Outcome(bar, 0, None, None, None, False if bounded else None)
    interval = stats.t_interval(logs)
    passed = interval.low is not None
    if passed and bar.at_least is not None:
        passed = interval.mean >= bar.at_least and interval.low >= SURE_SHARE * bar.at_least
    if passed and bar.at_most is not None:
        passed = interval.mean <= bar.at_most and interval.high <= bar.at_most / SURE_SHARE
    return Outcome(
        bar, len(logs), interval.mean, interval.low, interval.high, passed if bounded else None
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
            figures = f"{text.ratio(outcome.figure)} ({ends}, {outcome.blocks} blocks)"
        what = f"{text.clean(bar.metric, 60)}: {figures}, bar {bar.wanted}"
        lines.append(f"{word} {where}  {bar.who}  {what}")
    bars = [o for o in outcomes if o.passed is not None]
    passed = sum(bool(o.passed) for o in bars)
    return "\n".join([*lines, f"{passed} of {len(bars)} bars passed"]) + "\n"
