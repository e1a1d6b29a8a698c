"""Bars: the ratios that an experiment expects, held against what was measured."""

from dataclasses import dataclass

from lsmlab_results import stats, text
from lsmlab_results.effects import log_ratios
from lsmlab_results.reader import Results
from lsmlab_results.schema import EXPECT_NAMES

LOWER_SHARE = 0.9  # the lower bound of the interval must reach this share of the bar


@dataclass(frozen=True)
class Bar:
    """One expectation: `metric` of `variant` is at least `at_least` times that of `base`."""

    workload: str
    phase: str
    variant: str
    base: str
    metric: str
    at_least: float


@dataclass(frozen=True)
class Outcome:
    """What was measured for a bar; `ratio` and `low` are None where there was nothing to compare."""

    bar: Bar
    blocks: int
    ratio: float | None
    low: float | None
    passed: bool


def bars_of(results: Results) -> list[Bar]:
    """The distinct bars that the records carry, in the order met."""
    found = {
        Bar(*(entry[name] for name in EXPECT_NAMES), float(entry["at_least"])): None
        for record in results.records
        for entry in record.get("expect", [])
    }
    return list(found)


def judge(results: Results, bar: Bar) -> Outcome:
    """Passes when the geometric mean reaches the bar and the lower 95 % bound 0.9 of it."""
    logs = log_ratios(
        results.usable, bar.variant, bar.base, bar.workload, bar.phase, bar.metric
    )
    if not len(logs):
        return Outcome(bar, 0, None, None, False)
    interval = stats.t_interval(logs)
    reached = interval.mean >= bar.at_least
    sure = interval.low is not None and interval.low >= LOWER_SHARE * bar.at_least
    return Outcome(bar, len(logs), interval.mean, interval.low, reached and sure)


def render(outcomes: list[Outcome]) -> str:
    """One line per bar and a last line with the count."""
    lines = []
    for outcome in outcomes:
        bar = outcome.bar
        word = "pass" if outcome.passed else "FAIL"
        where = " ".join(text.clean(n, 60) for n in (bar.workload, bar.phase))
        who = f"{text.clean(bar.variant, 80)} / {text.clean(bar.base, 80)}"
        if outcome.ratio is None:
            figures = "not measured"
        else:
            bound = f"lower bound {text.ratio(outcome.low)}, {outcome.blocks} blocks"
            figures = f"{text.ratio(outcome.ratio)} ({bound})"
        what = f"{text.clean(bar.metric, 60)}: {figures}, bar {text.ratio(bar.at_least)}"
        lines.append(f"{word}  {where}  {who}  {what}")
    passed = sum(o.passed for o in outcomes)
    return "\n".join([*lines, f"{passed} of {len(outcomes)} bars passed"]) + "\n"
