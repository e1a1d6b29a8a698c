"""The statistics of paired log-ratios, as pure functions of numbers.

One number per block goes in: log(variant / base) inside that block, because a block is what was
replicated; operations inside a run are not independent. Everything is computed on logs and comes
back as ratios (1.0 = no difference) unless a name says log.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
ALPHA = 0.05
POWER = 0.80
RESAMPLES = 9999
SEED = 20260101
BLOCKS_MAX = 10_000
QUANTILES = 500  # of the power integral; error below 0.001


@dataclass(frozen=True)
class Interval:
    """A geometric mean ratio with the ends of its interval (None when there is one block)."""

    mean: float
    low: float | None
    high: float | None


def t_interval(logs: np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """Paired t interval of the mean log-ratio, turned back into ratios. REQUIRES: one log or more."""
    mean = float(np.mean(logs))
    if len(logs) < 2:
        return Interval(math.exp(mean), None, None)
    half = float(stats.t.ppf(0.5 + confidence / 2, len(logs) - 1) * _standard_error(logs))
    return Interval(math.exp(mean), _exp(mean - half), _exp(mean + half))


def mean_interval(figures: np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """t interval of the arithmetic mean. REQUIRES: one figure or more."""
    mean = float(np.mean(figures))
    if len(figures) < 2:
        return Interval(mean, None, None)
    half = float(stats.t.ppf(0.5 + confidence / 2, len(figures) - 1) * _standard_error(figures))
    return Interval(mean, mean - half, mean + half)


def bca_interval(logs: np.ndarray, confidence: float = CONFIDENCE, seed: int = SEED) -> Interval:
    """Bias-corrected and accelerated bootstrap of the same mean (Efron 1987), as ratios.

    A check on the t interval, not its replacement: below about 8 blocks it is known to be too
    narrow. Needs 3 blocks. The same logs and seed give the same interval.
    """
    mean = float(np.mean(logs))
    if len(logs) < 3:
        return Interval(math.exp(mean), None, None)
    if np.ptp(logs) == 0:
        return Interval(*[math.exp(mean)] * 3)
    draws = np.random.default_rng(seed).integers(0, len(logs), (RESAMPLES, len(logs)))
    means = np.sort(np.asarray(logs)[draws].mean(axis=1))
    below = (np.sum(means < mean) + np.sum(means <= mean)) / (2 * RESAMPLES)
    bias = stats.norm.ppf(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES))
    left_out = (np.sum(logs) - logs) / (len(logs) - 1)
    spread = left_out.mean() - left_out
    acceleration = np.sum(spread**3) / (6 * np.sum(spread**2) ** 1.5)
    z = stats.norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2]) + bias
    levels = stats.norm.cdf(bias + z / (1 - acceleration * z))
    low, high = np.quantile(means, np.clip(levels, 0, 1))
    return Interval(math.exp(mean), math.exp(low), math.exp(high))


def t_p_value(logs: np.ndarray) -> float | None:
    """Two-sided p of `mean log-ratio = 0`; None for a single block."""
    if len(logs) < 2:
        return None
    error = _standard_error(logs)
    if error == 0:
        return 0.0 if np.mean(logs) != 0 else 1.0
    return float(2 * stats.t.sf(abs(np.mean(logs)) / error, len(logs) - 1))


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down correction: adjusted p values in the order given."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def tost_p_value(logs: np.ndarray, margin: float) -> float | None:
    """Two one-sided tests: small p = the ratio lies within 1/(1+margin) .. 1+margin.

    REQUIRES: margin > 0 (0.05 = 5 %). None for a single block.
    """
    if len(logs) < 2:
        return None
    bound, mean, error = math.log1p(margin), float(np.mean(logs)), _standard_error(logs)
    if error == 0:
        return 0.0 if abs(mean) < bound else 1.0
    above = stats.t.sf((mean + bound) / error, len(logs) - 1)
    below = stats.t.cdf((mean - bound) / error, len(logs) - 1)
    return float(max(above, below))


def noise_floor(pairs: list[np.ndarray]) -> float | None:
    """What A/A pairs differ by: the end of their t intervals that is farthest from 1, as a ratio >= 1.

    None when no pair has two blocks.
    """
    ends = [t_interval(logs) for logs in pairs if len(logs) >= 2]
    if not ends:
        return None
    return max(max(end.high, 1 / end.low) if end.low > 0 else math.inf for end in ends)


def blocks_needed(
    deviation: float, effect: float, power: float = POWER, alpha: float = ALPHA
) -> int | None:
    """Blocks after which a paired t test at level `alpha` finds the ratio `effect` with that power.

    `deviation` is the standard deviation of the log-ratios between blocks. None: more than
    BLOCKS_MAX, or there is no effect to find.
    """
    distance = abs(math.log(effect))
    if distance == 0:
        return None
    if deviation == 0:
        return 2
    if _power(BLOCKS_MAX, deviation, distance, alpha) < power:
        return None
    low, high = 2, BLOCKS_MAX
    while low < high:
        middle = (low + high) // 2
        if _power(middle, deviation, distance, alpha) >= power:
            high = middle
        else:
            low = middle + 1
    return low


def _power(blocks: int, deviation: float, distance: float, alpha: float) -> float:
    """Upper tail of the non-central t, as a mean over the quantiles of the deviation estimated.

    scipy's own non-central t returns NaN far out, where a search for the block count passes.
    """
    critical, estimated = _t_parts(blocks, alpha)
    shift = distance / deviation * math.sqrt(blocks)
    return float(stats.norm.cdf(shift - critical * estimated).mean())


@lru_cache(maxsize=4096)
def _t_parts(blocks: int, alpha: float) -> tuple[float, np.ndarray]:
    """The critical t, and the quantiles of estimated over true deviation."""
    shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
    estimated = np.sqrt(stats.chi2.ppf(shares, blocks - 1) / (blocks - 1))
    return float(stats.t.ppf(1 - alpha / 2, blocks - 1)), estimated


def _standard_error(logs: np.ndarray) -> float:
    return float(np.std(logs, ddof=1) / math.sqrt(len(logs))) if np.ptp(logs) > 0 else 0.0


def _exp(log: float) -> float:
    return math.exp(min(max(log, -700.0), 700.0))
