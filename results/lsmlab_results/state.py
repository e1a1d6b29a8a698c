"""What state the stores were in when they were measured: levels, bytes read from the device, drained.

A comparison of speeds is one of trees only where there are several levels, and one of engines and not
of disks only while the device is not read. Experiments that fill the cache before the run phase
(`warmup`) want both, so runs that one of their [[expect]] entries compares are marked where it is
not so.
"""

from lsmlab_results import expect, text
from lsmlab_results.reader import Results

LEVELS_MIN = 3
READ_BYTES_MAX = 2**20
_FILLS_CACHE = ("scan", "read-all")


def levels_of(record: dict) -> int | None:
    """Number of levels that hold something at the end of the phase; None: the engine has no levels."""
    levels = record.get("levels", [])
    return sum(level.get("bytes", 0) > 0 for level in levels) if levels else None


def facts(results: Results, **cell: str) -> dict[str, str]:
    """Name -> text over the complete runs whose columns have the values of `cell`, one of them the
    phase; a range where the runs differ. Empty: there are none."""
    runs = results.usable
    for column, value in cell.items():
        runs = runs[runs[column] == value]
    records = [results.records[i] for i in runs.index]
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


def compared(results: Results) -> set[tuple[str, str, str]]:
    """(variant, workload, phase) of either side of every [[expect]] entry."""
    return {
        (variant, bar.workload, bar.phase)
        for bar in expect.bars_of(results)
        for variant in (bar.variant, bar.base)
        if variant
    }


def marks(records: list[dict]) -> list[str]:
    """Marks of complete runs that are compared. The warm-up comes after the load, which may read."""
    filled = [r for r in records if r.get("warmup") in _FILLS_CACHE]
    few = sum((n := levels_of(r)) is not None and n < LEVELS_MIN for r in filled)
    read = sum(r["phase"] == "run" and r.get("device_read_bytes", 0) > READ_BYTES_MAX for r in filled)
    found = []
    if few:
        found.append(f"{few} of {len(filled)} with fewer than {LEVELS_MIN} levels")
    if read:
        found.append(f"{read} of {len(filled)} read the device")
    return found


def _range(rising: list[str]) -> str:
    if not rising:
        return text.MISSING
    return rising[0] if rising[0] == rising[-1] else f"{rising[0]} to {rising[-1]}"
