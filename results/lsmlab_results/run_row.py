"""One record as a row of the frame: its scalar fields, counters and latencies, and what follows
from them."""

from lsmlab_results.latency import carried
from lsmlab_results.text import clean

MISMATCH_SHARE = 0.01  # ops / elapsed_s and ops_per_s may differ by so much
LATE_POINTS_MIN = 10  # of a series that is cut into halves


def row_of(record: dict, number: int, notices: list[str]) -> dict:
    """The row of a record that stands in line `number`; what is wrong with it goes to `notices`."""
    row = {k: v for k, v in record.items() if isinstance(v, (str, int, float, bool))}
    row["seed"] = str(record.get("seed", ""))
    for name, value in record.get("counters", {}).items():
        row[f"counters.{name}"] = float(value)
    for kind, figures in record.get("latency_ns", {}).items():
        for name, value in carried(figures).items():
            row[f"latency_ns.{kind}.{name}"] = value
    for name in ("ops_per_s", "elapsed_s", "ops", "ops_failed"):
        row[name] = float(record.get(name, "nan"))
    if row["ops"] > 0 and "cpu_user_s" in row and "cpu_system_s" in row:
        row["cpu_us_per_op"] = 1e6 * (row["cpu_user_s"] + row["cpu_system_s"]) / row["ops"]
    flushes = [e for e in record.get("events", []) if e.get("kind") == "flush"]
    seconds = sum(e.get("duration_s", 0) for e in flushes)
    if seconds > 0:
        row["flush_bytes_per_s"] = sum(e.get("bytes_out", 0) for e in flushes) / seconds
    late = _late_ops_per_s(record)
    if late is not None:
        row["late_ops_per_s"] = late
    row["line"] = number
    row["usable"], row["mismatch"] = _judge(record, number, notices)
    return row


def repeats(rows: list[dict]) -> list[str]:
    """A notice when complete runs of one variant, workload and phase share a block."""
    seen: set[tuple] = set()
    repeated = 0
    for row in rows:
        key = (row["variant"], row["workload"], row["phase"], row["block"])
        repeated += row["usable"] and key in seen
        if row["usable"]:
            seen.add(key)
    if not repeated:
        return []
    return [f"{repeated} run(s) repeat a block; the geometric mean stands for the block"]


def _late_ops_per_s(record: dict) -> float | None:
    """Operations per second in the second half of the measured window, of which the interval of the
    series in the middle counts in part. None: the series is too short, or of other operations."""
    points = [p for p in record.get("series", []) if "ops" in p]
    done = sum(p["ops"] for p in points)
    if len(points) < LATE_POINTS_MIN or abs(done - record.get("ops", 0)) > MISMATCH_SHARE * done:
        return None
    end = max(points[-1]["t_s"], record.get("elapsed_s", 0))
    half, late, before = end / 2, 0.0, 0.0
    for point in points:
        inside = point["t_s"] - max(before, half)
        if inside > 0:
            late += point["ops"] * inside / (point["t_s"] - before)
        before = point["t_s"]
    return late / half if half > 0 else None


def _judge(record: dict, number: int, notices: list[str]) -> tuple[bool, bool]:
    """Whether the run enters figures, and whether its own figures disagree."""
    if not record["complete"]:
        return False, False
    if "error" in record or record["ops"] == 0:
        cause = "carries an error" if "error" in record else "did no operation"
        notices.append(f"line {number} says complete but {cause}; it counts as incomplete")
        return False, False
    expected = record["ops"] / record["elapsed_s"]
    mismatch = abs(record["ops_per_s"] - expected) > MISMATCH_SHARE * expected
    if mismatch:
        notices.append(
            f"line {number}: ops_per_s is {record['ops_per_s']:.6g}, "
            f"but ops / elapsed_s is {expected:.6g}"
        )
    most = record["ops"] + record.get("ops_failed", 0)
    for kind, figures in record.get("latency_ns", {}).items():
        if figures.get("count", 0) > most:
            notices.append(
                f"line {number}: {figures['count']} {clean(kind, 20)} latencies, {most} operations"
            )
            mismatch = True
    return True, mismatch
