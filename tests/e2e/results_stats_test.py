"""The statistics against values worked out by hand or by scipy."""

import math

import numpy as np
import pandas as pd
import pytest
from lsmlab_results import effects, stats
from scipy import stats as scipy_stats

LOGS = np.log([1.30, 1.22, 1.41, 1.28, 1.35])


def test_t_interval_of_two_blocks_by_hand() -> None:
    # logs 0.1 and 0.3: mean 0.2, deviation sqrt(0.02), error 0.1, t(1, 97.5 %) = 12.7062
    found = stats.t_interval(np.array([0.1, 0.3]))
    assert found.mean == pytest.approx(math.exp(0.2))
    assert found.low == pytest.approx(math.exp(0.2 - 1.27062), rel=1e-5)
    assert found.high == pytest.approx(math.exp(0.2 + 1.27062), rel=1e-5)


def test_t_interval_and_p_agree_with_scipy() -> None:
    found = stats.t_interval(LOGS)
    low, high = scipy_stats.t.interval(0.95, 4, LOGS.mean(), scipy_stats.sem(LOGS))
    assert (found.low, found.high) == pytest.approx((math.exp(low), math.exp(high)))
    assert stats.t_p_value(LOGS) == pytest.approx(scipy_stats.ttest_1samp(LOGS, 0).pvalue)


def test_one_block_has_no_interval_and_no_p() -> None:
    one = np.array([0.5])
    assert stats.t_interval(one) == stats.Interval(math.exp(0.5), None, None)
    assert stats.t_p_value(one) is None and stats.tost_p_value(one, 0.05) is None
    assert stats.bca_interval(np.array([0.1, 0.2])).low is None


def test_equal_blocks_have_no_width() -> None:
    same = np.full(4, 0.1)
    assert stats.t_interval(same).low == pytest.approx(math.exp(0.1))
    assert stats.bca_interval(same).high == pytest.approx(math.exp(0.1))
    assert stats.t_p_value(same) == 0.0 and stats.t_p_value(np.zeros(3)) == 1.0
    assert stats.tost_p_value(np.zeros(3), 0.05) == 0.0
    assert stats.tost_p_value(same, 0.05) == 1.0


def test_bca_agrees_with_scipy() -> None:
    skewed = np.random.default_rng(3).exponential(0.2, 25)
    found = stats.bca_interval(skewed)
    theirs = scipy_stats.bootstrap(
        (skewed,), np.mean, n_resamples=9999, method="BCa", random_state=5
    ).confidence_interval
    assert math.log(found.low) == pytest.approx(theirs.low, abs=0.004)
    assert math.log(found.high) == pytest.approx(theirs.high, abs=0.004)
    plain = np.quantile(
        [skewed[np.random.default_rng(i).integers(0, 25, 25)].mean() for i in range(2000)], 0.975
    )
    assert math.log(found.high) > plain  # the correction moves towards the long tail
    assert stats.bca_interval(skewed) == found


def test_holm_by_hand() -> None:
    # sorted .01 .02 .03 .04 times 4 3 2 1 = .04 .06 .06 .04, made monotone: .04 .06 .06 .06
    assert stats.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert stats.holm([0.9, 0.8]) == [1.0, 1.0]
    assert stats.holm([]) == []


def test_tost_agrees_with_two_scipy_tests() -> None:
    logs = np.array([0.01, -0.02, 0.005, 0.012, -0.004])
    bound = math.log(1.05)
    above = scipy_stats.ttest_1samp(logs, -bound, alternative="greater").pvalue
    below = scipy_stats.ttest_1samp(logs, bound, alternative="less").pvalue
    assert stats.tost_p_value(logs, 0.05) == pytest.approx(max(above, below))
    assert stats.tost_p_value(logs, 0.05) < 0.05
    assert stats.tost_p_value(LOGS, 0.05) > 0.99


def test_noise_floor_is_the_far_end_of_the_interval() -> None:
    pair = np.array([-0.1, -0.3])
    assert stats.noise_floor([pair]) == pytest.approx(math.exp(0.2 + 1.27062), rel=1e-5)
    assert stats.noise_floor([pair, np.array([0.0])]) == stats.noise_floor([pair])
    assert stats.noise_floor([np.array([0.2])]) is None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # scipy's non-central t divides by zero
@pytest.mark.parametrize("deviation,effect", [(0.06, 1.10), (0.05, 1.05), (0.1, 0.8), (0.06, 1.3)])
def test_blocks_needed_is_the_first_with_the_power(deviation: float, effect: float) -> None:
    def power(n: int) -> float:
        shift = abs(math.log(effect)) / deviation * math.sqrt(n)
        return scipy_stats.nct.sf(scipy_stats.t.ppf(0.975, n - 1), n - 1, shift)

    needed = stats.blocks_needed(deviation, effect)
    assert power(needed) >= 0.799
    assert power(needed - 1) < 0.801


def test_blocks_needed_at_the_ends() -> None:
    assert stats.blocks_needed(0.0, 1.1) == 2
    assert stats.blocks_needed(0.1, 1.0) is None
    assert stats.blocks_needed(0.5, 1.0001) is None
    assert stats.blocks_needed(0.001, 100.0) == 2


def frame(**columns: list) -> pd.DataFrame:
    count = len(columns["variant"])
    fixed = {"workload": ["w"] * count, "phase": ["run"] * count, "base": ["base"] * count}
    return pd.DataFrame({**fixed, **columns})


def test_ratios_are_taken_inside_blocks_only() -> None:
    runs = frame(
        variant=["base", "x", "base", "x", "x", "base"],
        block=[0, 0, 1, 1, 2, 3], ops_per_s=[100.0, 200.0, 1000.0, 2000.0, 7.0, 9.0],
    )  # fmt: skip
    logs = effects.log_ratios(runs, "x", "base", "w", "run", "ops_per_s")
    assert np.exp(logs) == pytest.approx([2.0, 2.0])


def test_a_repeated_block_counts_once_and_a_zero_leaves_no_verdict() -> None:
    runs = frame(
        variant=["base", "x", "x", "base", "x", "base", "x"], block=[0, 0, 0, 1, 1, 2, 2],
        ops_per_s=[100.0, 100.0, 400.0, 100.0, 0.0, 100.0, 200.0],
    )  # fmt: skip
    logs = effects.log_ratios(runs, "x", "base", "w", "run", "ops_per_s")
    assert np.exp(logs) == pytest.approx([2.0, 2.0])
    (effect,) = effects.compare(runs)
    assert (effect.blocks, effect.zeros, effect.low, effect.p) == (2, 1, None, None)
    assert effect.verdict == "no verdict: the figure is 0 in 1 of 3 blocks"


def verdict(ratios: list[float], again: list[float] | None = None) -> effects.Effect:
    """The effect of x with these ratios to base, beside an A/A pair if `again` is given."""
    blocks = range(len(ratios))
    rows = [("base", b, 100.0, "h0") for b in blocks]
    rows += [("x", b, 100.0 * r, "h1") for b, r in zip(blocks, ratios)]
    rows += [("again", b, 100.0 * r, "h0") for b, r in zip(blocks, again or [])]
    names, order, rates, hashes = (list(column) for column in zip(*rows))
    runs = frame(variant=names, block=order, ops_per_s=rates, config_hash=hashes, engine=["e"] * len(rows))
    return next(e for e in effects.compare(runs) if e.variant == "x")


def test_verdicts() -> None:
    assert verdict([1.5, 1.52, 1.49, 1.51]).verdict == "higher than base"
    assert verdict([0.5, 0.52, 0.49, 0.51]).verdict == "lower than base"
    assert verdict([1.001, 0.999, 1.002, 0.998]).verdict == "equal within 5 %"
    assert verdict([1.0]).verdict == "one block: no interval"
    unclear = verdict([0.9, 1.2, 1.1, 1.05])
    assert unclear.verdict.startswith("open: about ") and unclear.needed > 4


def test_effect_below_the_noise_is_not_resolvable() -> None:
    ratios = [1.10, 1.11, 1.09, 1.10]
    assert verdict(ratios).verdict == "higher than base"
    noisy = verdict(ratios, [0.8, 1.2, 0.9, 1.1])
    assert noisy.verdict.startswith("not resolvable here")
    assert noisy.needed > 4
    quiet = verdict(ratios, [1.001, 0.999, 1.0, 1.0])
    assert quiet.verdict == "higher than base"


def test_aa_pair_by_hash_or_by_name() -> None:
    runs = frame(
        variant=["base", "twin", "x"], block=[0, 0, 0], ops_per_s=[1.0, 1.0, 1.0],
        engine=["e"] * 3, config_hash=["h", "h", "i"], aa_of=[None, None, "base"],
    )  # fmt: skip
    assert effects.aa_pairs(runs) == {("twin", "base"), ("x", "base")}


def test_holm_runs_over_the_table() -> None:
    alone = verdict([1.1, 1.12, 1.09])
    blocks = [0, 1, 2] * 3
    runs = frame(
        variant=["base"] * 3 + ["x"] * 3 + ["y"] * 3, block=blocks,
        ops_per_s=[100.0] * 3 + [110.0, 112.0, 109.0] + [110.0, 112.0, 109.0],
    )  # fmt: skip
    assert [e.p for e in effects.compare(runs)] == pytest.approx([2 * alone.p] * 2)


def test_equality_is_corrected_like_difference() -> None:
    ratios = [1.001, 0.999, 1.002, 0.998]
    alone = verdict(ratios)
    runs = frame(
        variant=["base"] * 4 + ["x"] * 4 + ["y"] * 4, block=[0, 1, 2, 3] * 3,
        ops_per_s=[100.0] * 4 + [100 * r for r in ratios] * 2,
    )  # fmt: skip
    assert [e.p_equal for e in effects.compare(runs)] == pytest.approx([2 * alone.p_equal] * 2)


def test_blocks_needed_count_with_the_correction() -> None:
    ratios = [0.9, 1.2, 1.1, 1.05]
    alone = verdict(ratios)
    names = ["base", "x", "y", "z"]
    runs = frame(
        variant=[n for n in names for _ in ratios], block=[0, 1, 2, 3] * len(names),
        ops_per_s=[100.0] * 4 + [100 * r for r in ratios] * 3,
    )  # fmt: skip
    beside = effects.compare(runs)
    deviation = float(np.std(np.log(ratios), ddof=1))
    assert {e.needed for e in beside} == {stats.blocks_needed(deviation, alone.ratio, alpha=0.05 / 3)}
    assert beside[0].needed > alone.needed
