"""What the two sides of a comparison ran under, and whether they were asked the same things."""

from collections.abc import Callable, Hashable, Iterable

from lsmlab_results.reader import Cell, Results
from lsmlab_results.text import MISSING, clean, size

_SHOWN_MAX = 8  # differences that one line names


def names_of(results: Results) -> list[str]:
    """Names of all conditions that any record states."""
    return sorted({n for r in results.records for n in r.get("conditions", {})})


def stated(results: Results, key_of: Callable[[dict], Hashable]) -> dict:
    """Key of a record -> condition -> its value as text; several values are joined."""
    groups: dict[Hashable, list[dict]] = {}
    for record in results.records:
        groups.setdefault(key_of(record), []).append(record)
    return {key: _values(records) for key, records in groups.items()}


def differing(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    """Names of the conditions that are not the same on both sides."""
    return [n for n in sorted(ours.keys() | theirs.keys()) if ours.get(n) != theirs.get(n)]


def differences(results: Results, ours: Cell, base: str) -> list[str]:
    """Each condition in which a cell (variant, workload, phase) differs from `base` in the same
    workload and phase, with both values; those that only one states come last. Then the stream, if
    another one was asked. Briefly."""
    theirs = (base, *ours[1:])
    here, there = (_values(results.cells.get(c, [])) for c in (ours, theirs))
    names = differing(here, there) if here and there else []
    found = [
        f"{clean(n, 30)} {clean(here.get(n, MISSING), 30)}/{clean(there.get(n, MISSING), 30)}"
        for n in sorted(names, key=lambda n: n not in here or n not in there)
    ]
    more = len(found) - _SHOWN_MAX
    found = [*found[:_SHOWN_MAX], f"{more} more"] if more > 0 else found
    return [*found, "stream digest"] if other_operations(results, ours, base) else found


def other_operations(results: Results, ours: Cell, base: str) -> bool:
    """Whether a complete run of a cell (variant, workload, phase) has another digest than that of
    the base in its block."""
    theirs = (base, *ours[1:])
    asked = {r["block"]: r["workload_digest"] for r in _digested(results, theirs)}
    return any(
        asked.get(r["block"], r["workload_digest"]) != r["workload_digest"]
        for r in _digested(results, ours)
    )


def _digested(results: Results, cell: Cell) -> list[dict]:
    found = results.cells.get(cell, [])
    return [r for r in found if r["complete"] and "workload_digest" in r]


def _values(records: Iterable[dict]) -> dict[str, str]:
    values: dict[str, set[str]] = {}
    for record in records:
        for name, value in record.get("conditions", {}).items():
            values.setdefault(name, set()).add(_text(name, value))
    return {name: " / ".join(sorted(seen)) for name, seen in values.items()}


def _text(name: str, value: object) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool) and value and value % 1024 == 0
    return size(value) if whole and name.endswith("_bytes") else clean(value, 80)
