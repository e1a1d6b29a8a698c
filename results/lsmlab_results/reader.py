"""Reads `records.ndjson` of a result directory into pandas; or `records.ndjson.gz`, as reference results
are kept.

Thread-safety: none needed, everything is a value once read. A bad file raises RecordError, whose text
is one line `file:line: what`. Memory: the file is at most FILE_BYTES_MAX and read line by line.
"""

import gzip
import json
import os
import zlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from lsmlab_results import plan, schema
from lsmlab_results.text import clean

FILE_BYTES_MAX = 256 * 2**20
LINE_BYTES_MAX = 32 * 2**20
RECORDS_NAME = "records.ndjson"
PACKED_NAME = RECORDS_NAME + ".gz"
MISMATCH_SHARE = 0.01  # ops / elapsed_s and ops_per_s may differ by so much


class RecordError(Exception):
    """A result directory that cannot be read; the text is one line for the user."""


@dataclass
class Results:
    """All runs of one directory.

    `runs` has one row per record: scalar fields by name, counters as `counters.NAME`, latencies as
    `latency_ns.KIND.NAME` (nanoseconds), `line` (number in the file) and `usable` (enters figures).
    `records` holds the same records whole, in the same order.
    `planned`: (workload, phase) -> number of blocks by plan.json; empty where there is none.
    """

    directory: Path
    runs: pd.DataFrame
    records: list[dict]
    notices: list[str] = field(default_factory=list)
    planned: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def usable(self) -> pd.DataFrame:
        """The complete runs, the only ones that enter a figure."""
        return self.runs[self.runs["usable"]]

    def usable_records(self, variant: str, workload: str, phase: str) -> list[dict]:
        """Whole records of the complete runs of one cell, by block."""
        frame = self.usable
        rows = frame[
            (frame["variant"] == variant)
            & (frame["workload"] == workload)
            & (frame["phase"] == phase)
        ]
        return [self.records[i] for i in rows.sort_values(["block", "line"]).index]


def read(directory: Path) -> Results:
    """Reads `directory`/records.ndjson, or the packed one where that is missing. Raises RecordError."""
    path = directory / RECORDS_NAME
    if not os.path.lexists(path) and os.path.lexists(directory / PACKED_NAME):
        path = directory / PACKED_NAME
    notices: list[str] = []
    records: list[dict] = []
    rows: list[dict] = []
    with _open(path) as stream:
        for number, raw, last_is_open in _lines(stream, path):
            try:
                record = schema.parse(raw.decode("utf-8"))
                schema.check(record)
            except UnicodeDecodeError as error:
                raise RecordError(f"{path}:{number}: not UTF-8 at byte {error.start}") from None
            except json.JSONDecodeError as error:
                if last_is_open:
                    notices.append(f"line {number} was cut off while it was written; it is left out")
                    continue
                raise RecordError(
                    f"{path}:{number}: not JSON at column {error.colno}: {error.msg}"
                ) from None
            except ValueError as error:
                raise RecordError(f"{path}:{number}: {clean(error)}") from None
            records.append(record)
            rows.append(_row(record, number, notices))
    if not records:
        raise RecordError(f"{path}:1: holds no record")
    return Results(
        directory, pd.DataFrame(rows), records, notices + _repeats(rows), _planned(directory)
    )


def _planned(directory: Path) -> dict[tuple[str, str], int]:
    path = directory / plan.NAME
    if not os.path.lexists(path):
        return {}
    with _open(path) as stream:
        try:
            return plan.blocks(stream.read().decode("utf-8"))
        except ValueError as error:
            raise RecordError(f"{path}: {clean(error)}") from None


def _open(path: Path) -> BinaryIO:
    """Opens a regular file of allowed size. Never blocks on a pipe or a device."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecordError(f"{path}: {reason}") from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise RecordError(f"{path}: not a regular file")
    if status.st_size > FILE_BYTES_MAX:
        os.close(handle)
        raise RecordError(
            f"{path}: {status.st_size} bytes, above the limit of {FILE_BYTES_MAX} bytes"
        )
    file = os.fdopen(handle, "rb")
    return gzip.GzipFile(fileobj=file) if path.name == PACKED_NAME else file


def _lines(stream: BinaryIO, path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """Yields (number, line, whether it lacks its newline); blank lines are skipped."""
    number = total = 0
    while raw := _line(stream, path, number + 1):
        number += 1
        total += len(raw)
        if len(raw) > LINE_BYTES_MAX:
            raise RecordError(f"{path}:{number}: line is above {LINE_BYTES_MAX} bytes")
        if total > FILE_BYTES_MAX:
            raise RecordError(f"{path}:{number}: file is above {FILE_BYTES_MAX} bytes")
        if raw.strip():
            yield number, raw, not raw.endswith(b"\n")


def _line(stream: BinaryIO, path: Path, number: int) -> bytes:
    try:
        return stream.readline(LINE_BYTES_MAX + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RecordError(f"{path}:{number}: damaged gzip data: {clean(error)}") from None


def _row(record: dict, number: int, notices: list[str]) -> dict:
    row = {k: v for k, v in record.items() if isinstance(v, (str, int, float, bool))}
    row["seed"] = str(record.get("seed", ""))
    for name, value in record.get("counters", {}).items():
        row[f"counters.{name}"] = float(value)
    for kind, figures in record.get("latency_ns", {}).items():
        for name, value in figures.items():
            if name != "hdr":
                row[f"latency_ns.{kind}.{name}"] = float(value)
    for name in ("ops_per_s", "elapsed_s", "ops", "ops_failed"):
        row[name] = float(record.get(name, "nan"))
    if row["ops"] > 0 and "cpu_user_s" in row and "cpu_system_s" in row:
        row["cpu_us_per_op"] = 1e6 * (row["cpu_user_s"] + row["cpu_system_s"]) / row["ops"]
    flushes = [e for e in record.get("events", []) if e.get("kind") == "flush"]
    seconds = sum(e.get("duration_s", 0) for e in flushes)
    if seconds > 0:
        row["flush_bytes_per_s"] = sum(e.get("bytes_out", 0) for e in flushes) / seconds
    row["line"] = number
    row["usable"], row["mismatch"] = _judge(record, number, notices)
    return row


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


def _repeats(rows: list[dict]) -> list[str]:
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
