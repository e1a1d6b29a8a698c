"""What one record may look like: types, ranges and orders of every field (schema 1).

`check` raises ValueError with a sentence; the reader puts file and line before it. Records come from
other people's machines too, so nothing is believed: figures must be finite, counts not negative,
percentiles in order.
"""

import json
import math
import sys

SCHEMA = 1
INT_MAX = 2**64 - 1
PERCENTILES = ("min", "p50", "p90", "p95", "p99", "p999", "p9999", "max")

_STRING = "string"
_INT = "int"
_NUMBER = "number"
_BOOL = "bool"
_OBJECT = "object"
_ARRAY = "array"

_TYPES = {
    "schema": _INT, "experiment": _STRING, "question": _STRING, "base": _STRING,
    "variant": _STRING, "engine": _STRING, "cell": _OBJECT, "workload": _STRING,
    "phase": _STRING, "load": _STRING, "block": _INT, "order": _INT, "seed": _INT, "complete": _BOOL,
    "blocks": _INT, "error": _STRING, "ops": _INT, "ops_failed": _INT, "ops_due": _INT,
    "user_bytes_written": _INT, "not_found": _INT, "elapsed_s": _NUMBER,
    "ops_per_s": _NUMBER, "drained_s": _NUMBER, "drained_ops_per_s": _NUMBER,
    "latency_ns": _OBJECT, "series": _ARRAY, "events": _ARRAY, "levels": _ARRAY,
    "counters": _OBJECT, "write_amplification": _NUMBER, "read_amplification": _NUMBER,
    "space_amplification": _NUMBER, "idle_parts": _ARRAY, "cpu_user_s": _NUMBER,
    "cpu_system_s": _NUMBER, "context_switches": _INT, "rss_peak_bytes": _INT,
    "rss_before_open_bytes": _INT, "memory_headroom": _NUMBER, "clock": _STRING,
    "device_read_bytes": _INT, "device_write_bytes": _INT, "memory_capped": _BOOL,
    "workload_digest": _STRING, "workload_standard": _BOOL, "workload_deviations": _ARRAY,
    "workload_ignored": _ARRAY, "workload_settings": _OBJECT, "warmup": _STRING,
    "value_source": _STRING, "config": _OBJECT, "config_hash": _STRING, "conditions": _OBJECT,
    "revision": _STRING, "dirty": _BOOL, "build": _OBJECT, "machine": _OBJECT,
    "started_at": _STRING, "aa_of": _STRING, "expect": _ARRAY,
}  # fmt: skip
_REQUIRED = ("experiment", "base", "variant", "workload", "phase", "block", "complete")
_REQUIRED_WHEN_COMPLETE = ("ops", "elapsed_s", "ops_per_s")
_NAMES = ("variant", "workload", "phase")
_ROWS = {  # array field -> (numbers that must be there, numbers that may)
    "series": (("t_s",), ("ops", "ops_per_s", "p99_ns")),
    "events": (("t_s",), ("duration_s", "bytes_in", "bytes_out", "level")),
    "levels": (("level",), ("tables", "bytes", "runs")),
    "expect": ((), ("at_least", "at_most")),
}
EXPECT_NAMES = ("workload", "phase", "variant", "base", "metric")


def parse(line: str) -> dict:
    """Parses one line. Raises json.JSONDecodeError for bad syntax, ValueError for forbidden values."""
    try:
        record = json.loads(
            line, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer,
            object_pairs_hook=_no_twins,
        )  # fmt: skip
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(record, dict):
        raise ValueError("a record is a JSON object")
    return record


def check(record: dict) -> None:
    """Raises ValueError when `record` is not a record of schema 1. Unknown fields are ignored."""
    if "schema" not in record:
        raise ValueError("no field 'schema'")
    if record["schema"] != SCHEMA or isinstance(record["schema"], bool):
        raise ValueError(f"schema {record['schema']!r} is unknown, this program reads {SCHEMA}")
    for name, kind in _TYPES.items():
        if name in record:
            _check_type(name, record[name], kind)
    needed = _REQUIRED + (_REQUIRED_WHEN_COMPLETE if record.get("complete") else ())
    for name in needed:
        if name not in record:
            raise ValueError(f"no field '{name}'")
    for name in _NAMES:
        if not record[name].strip():
            raise ValueError(f"'{name}' is empty")
    if record["complete"] and record["elapsed_s"] <= 0 and record["ops"] > 0:
        raise ValueError("'elapsed_s' of a complete run must be above 0")
    _check_latency(record.get("latency_ns", {}))
    for name, value in record.get("counters", {}).items():
        _check_type(f"counters.{name}", value, _NUMBER)
    for name in ("idle_parts", "workload_deviations", "workload_ignored"):
        for value in record.get(name, []):
            _check_type(f"{name}[]", value, _STRING)
    for name, (must, may) in _ROWS.items():
        _check_rows(name, record.get(name, []), must, may)
    for bar in record.get("expect", []):
        for name in EXPECT_NAMES:
            _check_type(f"expect[].{name}", bar.get(name), _STRING)


def _check_latency(kinds: dict) -> None:
    for kind, figures in kinds.items():
        _check_type(f"latency_ns.{kind}", figures, _OBJECT)
        for name, value in figures.items():
            _check_type(f"latency_ns.{kind}.{name}", value, _STRING if name == "hdr" else _NUMBER)
        rising = [(name, figures[name]) for name in PERCENTILES if name in figures]
        for (low, a), (high, b) in zip(rising, rising[1:]):
            if a > b:
                raise ValueError(f"latency_ns.{kind}: {low} {a} is above {high} {b}")


def _check_rows(field: str, rows: list, must: tuple[str, ...], may: tuple[str, ...]) -> None:
    for row in rows:
        _check_type(f"{field}[]", row, _OBJECT)
        for name in must:
            _check_type(f"{field}[].{name}", row.get(name), _NUMBER)
        for name in may:
            if name in row:
                _check_type(f"{field}[].{name}", row[name], _NUMBER)
        if field == "events":
            _check_type("events[].kind", row.get("kind"), _STRING)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_FITS = {
    _STRING: lambda value: isinstance(value, str),
    _BOOL: lambda value: isinstance(value, bool),
    _OBJECT: lambda value: isinstance(value, dict),
    _ARRAY: lambda value: isinstance(value, list),
    _INT: lambda value: _is_number(value) and value == int(value),
    _NUMBER: _is_number,
}

# An event may have begun before its phase.
_MAY_BE_NEGATIVE = ("events[].t_s",)


def _check_type(name: str, value: object, kind: str) -> None:
    if not _FITS[kind](value):
        raise ValueError(f"'{name}' must be of type {kind}")
    if kind in (_INT, _NUMBER) and value < 0 and name not in _MAY_BE_NEGATIVE:
        raise ValueError(f"'{name}' is negative: {value}")


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not a figure")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is beyond the range of a double")
    return value


def _integer(digits: str) -> int:
    if len(digits) > 21 or abs(int(digits)) > INT_MAX:
        raise ValueError(f"{digits[:40]} is beyond 64 bits")
    return int(digits)


def _no_twins(pairs: list[tuple[str, object]]) -> dict:
    # Names repeat in every record; kept once, they take no memory to speak of.
    record = {sys.intern(name): value for name, value in pairs}
    if len(record) != len(pairs):
        raise ValueError("an object names a field twice")
    return record
