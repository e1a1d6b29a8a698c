"""Where the figures of a result directory come from, in one line: for tables and plot files, which
travel without the report."""

from collections.abc import Callable

from lsmlab_results.reader import Results
from lsmlab_results.text import clean


def line(results: Results) -> str:
    """Experiment, revision, compiler, processor and days of the runs; where runs differ in one of
    them, how many there are of it."""
    first = results.records[0]
    parts = [
        f"experiment {clean(first['experiment'], 80)}",
        _one(results, "revisions", _revision),
        _one(results, "compilers", _compiler),
        _one(results, "processors", _processor),
        _days(results),
    ]
    return "; ".join(part for part in parts if part)


def days(results: Results) -> tuple[str, str] | None:
    """When the first and the last run began, as the records say it."""
    seen = [clean(r["started_at"], 40) for r in results.records if r.get("started_at")]
    return (min(seen), max(seen)) if seen else None


def _one(results: Results, plural: str, shown: Callable[[dict], str]) -> str:
    seen = {shown(record) for record in results.records} - {""}
    return f"{len(seen)} {plural}" if len(seen) > 1 else "".join(seen)


def _revision(record: dict) -> str:
    name = clean(record.get("revision", ""))[:12]
    dirty = " with changes" if record.get("dirty") else ""
    return f"revision {name}{dirty}" if name else ""


def _compiler(record: dict) -> str:
    build = record.get("build", {})
    return " ".join(clean(build[n], 60) for n in ("compiler", "type") if build.get(n))


def _processor(record: dict) -> str:
    machine = record.get("machine", {})
    cores = f", {clean(machine['cores'], 8)} cores" if machine.get("cores") else ""
    return (clean(machine.get("cpu", ""), 80) + cores).removeprefix(", ")


def _days(results: Results) -> str:
    seen = days(results)
    if seen is None:
        return ""
    first, last = (moment[:10] for moment in seen)
    return first if first == last else f"{first} to {last}"
