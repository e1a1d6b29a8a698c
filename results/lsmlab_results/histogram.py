"""The latency histograms of records (`latency_ns.KIND.hdr`): read, merged, asked for percentiles.

The grammar of the bytes stands at Histogram::Serialize in engine/base/histogram.h, as do the buckets.
"""

import base64
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_MAGIC = b"H1"
_SUB_BITS = 7
_BUCKETS = 4608


@dataclass(frozen=True)
class Histogram:
    """Latencies in nanoseconds: `upto` holds the ends of the buckets that hold some, rising, `counts`
    how many each holds, `highest` the longest latency."""

    upto: np.ndarray
    counts: np.ndarray
    highest: int

    @property
    def count(self) -> int:
        """Number of latencies."""
        return int(self.counts.sum())

    def percentile(self, percent: float) -> float:
        """The latency that `percent` per cent do not exceed, at most 0.8 % too high; NaN for none."""
        if not self.count:
            return math.nan
        rank = min(max(math.ceil(percent / 100 * self.count), 1), self.count)
        found = self.upto[np.searchsorted(np.cumsum(self.counts), rank)]
        return float(min(found, self.highest))


def read(text: str) -> Histogram:
    """The histogram of a record's `hdr`. Raises ValueError when it is none."""
    data = base64.b64decode(text, validate=True)
    if not data.startswith(_MAGIC):
        raise ValueError("a histogram begins with H1")
    numbers = list(_varints(data[len(_MAGIC) :]))
    if numbers == [0]:
        return Histogram(np.array([], dtype=np.int64), np.array([], dtype=np.int64), 0)
    if len(numbers) < 6 or len(numbers) % 2 or max(numbers) >> 63:
        raise ValueError("a histogram has a head of four numbers and pairs for its buckets")
    buckets = np.cumsum(np.array(numbers[4::2]) + 1) - 1
    counts = np.array(numbers[5::2], dtype=np.int64)
    if buckets[-1] >= _BUCKETS or counts.sum() != numbers[0]:
        raise ValueError("the buckets of a histogram do not add up")
    upto = np.array([_lowest_of(int(b) + 1) - 1 for b in buckets], dtype=np.int64)
    return Histogram(upto, counts, numbers[3])


def merge(histograms: list[Histogram]) -> Histogram:
    """All latencies of several runs as one. REQUIRES: one histogram or more."""
    upto, where = np.unique(np.concatenate([h.upto for h in histograms]), return_inverse=True)
    counts = np.zeros(len(upto), dtype=np.int64)
    np.add.at(counts, where, np.concatenate([h.counts for h in histograms]))
    return Histogram(upto, counts, max(h.highest for h in histograms))


def _varints(data: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0
    if shift:
        raise ValueError("a histogram is cut off")


def _lowest_of(bucket: int) -> int:
    shift = 0 if bucket < 2 << _SUB_BITS else (bucket >> _SUB_BITS) - 1
    return (bucket - (shift << _SUB_BITS)) << shift
