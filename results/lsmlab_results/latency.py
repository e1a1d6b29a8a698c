"""Which percentiles of a run's latencies the number of its operations carries."""

# Percentile -> of how many latencies one is above it.
ONE_IN = {"p50": 2, "p90": 10, "p95": 20, "p99": 100, "p999": 1000, "p9999": 10_000}
# So many must be above it. With fewer the figure is that of single operations, and in the end the
# maximum under another name.
ABOVE_MIN = 10


def carried(figures: dict) -> dict[str, float]:
    """The figures of a kind of operation without such percentiles; all where `count` is not said."""
    count = figures.get("count")
    return {
        name: float(value)
        for name, value in figures.items()
        if name != "hdr" and (count is None or count >= ABOVE_MIN * ONE_IN.get(name, 0))
    }
