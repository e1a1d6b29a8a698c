"""What state the stores were in when they were measured: levels, bytes read from the device, drained.

A comparison of speeds is one of trees only where there are several levels, and one of engines and not
of disks only while the device is not read. Experiments that fill the cache before the run phase
(`warmup`) want both, so runs that one of their [[expect]] entries compares are marked where it is
not so. Any comparison wants windows that are more than their ends, and sides that leave about the
same work behind; and a ratio that changes while it is measured depends on how long that was.
"""

from lsmlab_results import text
from lsmlab_results.effects import Effect
from lsmlab_results.reader import Results

LEVELS_MIN = 3
READ_BYTES_MAX = 2**20
WINDOW_S_MIN = 1.0
LEVEL0_RUNS_APART_MAX = 4
LATE_APART_MAX = 0.1
_FILLS_CACHE = ("scan", "read-all")


def levels_of(record: dict) -> int | None:
    """Number of levels that hold something at the end of the phase; None: the engine has no levels."""
    levels = record.get("levels", [])
    return sum(level.get("bytes", 0) > 0 for level in levels) if levels else None


def facts(results: Results, **cell: str) -> dict[str, str]:
    """Name -> text over the complete runs whose fields have the values of `cell`, one of them the
    phase; a range where the runs differ. Empty: there are none."""
    records = [
        record
        for record, usable in zip(results.records, results.runs["usable"])
        if usable and all(record[name] == value for name, value in cell.items())
    ]
    if not records:
        return {}
    levels = sorted({n for r in records if (n := levels_of(r)) is not None})
    reads = sorted(r["device_read_bytes"] for r in records if "device_read_bytes" in r)
    drained = sorted({"yes" if "drained_s" in r else "no" for r in records})
    return {
        "non-empty levels at the end": _range([str(n) for n in levels]),
        "bytes read from the device": _range([text.size(n) for n in reads]),
        "drained at the end": " / ".join(drained),
    }


def marks(records: list[dict]) -> list[str]:
    """Marks of complete runs that a bar compares. The warm-up comes after the load, which may read."""
    filled = [r for r in records if r.get("warmup") in _FILLS_CACHE]
    few = sum((n := levels_of(r)) is not None and n < LEVELS_MIN for r in filled)
    read = sum(r["phase"] == "run" and r.get("device_read_bytes", 0) > READ_BYTES_MAX for r in filled)
    found = []
    if few:
        found.append(f"{few} of {len(filled)} with fewer than {LEVELS_MIN} levels")
    if read:
        found.append(f"{read} of {len(filled)} read the device")
    return found


def window_marks(records: list[dict]) -> list[str]:
    """Marks of complete runs that are compared. The null store has nothing that takes its time to
    begin or to end."""
    seconds = [r["elapsed_s"] for r in records if r.get("engine") != "null"]
    shortest = min(seconds, default=WINDOW_S_MIN)
    return [f"a window of {shortest:.2g} s is mostly its ends"] if shortest < WINDOW_S_MIN else []


def late_marks(effect: Effect, late: Effect | None) -> list[str]:
    """Mark of a ratio that is another one in the second half of the window, `late`: what was
    measured is how the stores began. It must be outside of what the blocks vary by."""
    if late is None or effect.low is None or effect.high is None:
        return []
    apart = abs(late.ratio / effect.ratio - 1) > LATE_APART_MAX
    if not apart or effect.low <= late.ratio <= effect.high:
        return []
    return [f"ratio {text.ratio(late.ratio)} in the second half of the window"]


def debt_marks(ours: list[dict], theirs: list[dict]) -> list[str]:
    """Marks of complete runs by those of their base: a side that leaves its compactions for later
    has spent less of the window on them."""
    here, there = _level0_runs(ours), _level0_runs(theirs)
    if here is None or there is None or abs(here - there) <= LEVEL0_RUNS_APART_MAX:
        return []
    runs = f"{text.short(here)} run{'' if here == 1 else 's'}"
    whose = "compactions" if here > there else "the base's compactions"
    return [
        f"ends with {runs} in level 0 (base: {text.short(there)}): "
        f"{whose} are left for after the window"
    ]


def _level0_runs(records: list[dict]) -> float | None:
    """Mean of the runs in level 0 at the end of windows that wrote; those with a drained figure,
    which holds what they owed, do not count. None: there are no such windows."""
    owing = [
        r for r in records if r.get("user_bytes_written", 0) > 0 and "drained_ops_per_s" not in r
    ]
    runs = [
        level["runs"]
        for r in owing
        for level in r.get("levels", [])
        if level["level"] == 0 and "runs" in level
    ]
    return sum(runs) / len(runs) if runs else None


def _range(rising: list[str]) -> str:
    if not rising:
        return text.MISSING
    return rising[0] if rising[0] == rising[-1] else f"{rising[0]} to {rising[-1]}"
