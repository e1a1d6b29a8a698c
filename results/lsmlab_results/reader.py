"""Reads `records.ndjson` of a result directory into pandas; or `records.ndjson.gz`, as reference results
are kept.

Thread-safety: none needed, everything is a value once read. A bad file raises RecordError, whose text
is one line `file:line: what`. Memory: the file is at most FILE_BYTES_MAX and read line by line.
"""

import gzip
import json
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from lsmlab_results import plan, run_row, schema
from lsmlab_results.text import clean

FILE_BYTES_MAX = 512 * 2**20
LINE_BYTES_MAX = 32 * 2**20
RECORDS_NAME = "records.ndjson"
PACKED_NAME = RECORDS_NAME + ".gz"

Cell = tuple[str, str, str]


class RecordError(Exception):
    """A result directory that cannot be read; the text is one line for the user."""


def cell_of(record: dict) -> Cell:
    """The (variant, workload, phase) that a record is of."""
    return record["variant"], record["workload"], record["phase"]


@dataclass
class Results:
    """All runs of one directory.

    `runs` has one row per record: scalar fields by name, counters as `counters.NAME`, latencies as
    `latency_ns.KIND.NAME` (nanoseconds; percentiles that few latencies carry are absent), `line`
    (number in the file) and `usable` (enters figures).
    `records` holds the same records whole, in the same order.
    `planned`: (workload, phase) -> number of blocks by plan.json; empty where there is none.
    What is derived from them is made once: none of it follows a later change.
    """

    directory: Path
    runs: pd.DataFrame
    records: list[dict]
    notices: list[str] = field(default_factory=list)
    planned: dict[tuple[str, str], int] = field(default_factory=dict)

    @cached_property
    def usable(self) -> pd.DataFrame:
        """The complete runs, the only ones that enter a figure."""
        return self.runs[self.runs["usable"]].copy()

    @cached_property
    def cells(self) -> dict[Cell, list[dict]]:
        """Cell -> its records, incomplete ones too, in the order of the file."""
        found: dict[Cell, list[dict]] = {}
        for record in self.records:
            found.setdefault(cell_of(record), []).append(record)
        return found

    @cached_property
    def blocks_due(self) -> dict[tuple[str, str], int]:
        """(workload, phase) -> blocks that the plan beside the records has or the records name; never
        fewer than the records hold, complete or not, of any variant."""
        held: dict[tuple[str, str], set[int]] = {}
        named: dict[tuple[str, str], int] = {}
        for record in self.records:
            cell = (record["workload"], record["phase"])
            held.setdefault(cell, set()).add(record["block"])
            named[cell] = max(named.get(cell, 0), record.get("blocks", 0))
        return {c: max(self.planned.get(c, named[c]), len(blocks)) for c, blocks in held.items()}

    def usable_records(self, variant: str, workload: str, phase: str) -> list[dict]:
        """Whole records of the complete runs of one cell, by block."""
        return list(self._usable_cells.get((variant, workload, phase), []))

    @cached_property
    def _usable_cells(self) -> dict[Cell, list[dict]]:
        found: dict[Cell, list[dict]] = {}
        for record, usable in zip(self.records, self.runs["usable"]):
            if usable:
                found.setdefault(cell_of(record), []).append(record)
        for records in found.values():
            records.sort(key=lambda record: record["block"])
        return found


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
            record = _parse(path, number, raw, last_is_open)
            if record is None:
                notices.append(f"line {number} was cut off while it was written; it is left out")
                continue
            if records and record["experiment"] != records[0]["experiment"]:
                ours, others = (clean(r["experiment"], 80) for r in (record, records[0]))
                raise RecordError(
                    f"{path}:{number}: of experiment '{ours}', after records of '{others}'; "
                    "a directory holds one experiment"
                )
            records.append(record)
            rows.append(run_row.row_of(record, number, notices))
    if not records:
        raise RecordError(f"{path}:1: holds no record")
    return Results(
        directory, pd.DataFrame(rows), records, notices + run_row.repeats(rows), _planned(directory)
    )


def _parse(path: Path, number: int, raw: bytes, last_is_open: bool) -> dict | None:
    """The record of a line, None when it is the last one and was cut off. Raises RecordError."""
    try:
        record = schema.parse(raw.decode("utf-8"))
        schema.check(record)
        return record
    except UnicodeDecodeError as error:
        if last_is_open and error.end == len(raw):  # in the middle of a character
            return None
        raise RecordError(f"{path}:{number}: not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        if last_is_open:
            return None
        raise RecordError(
            f"{path}:{number}: not JSON at column {error.colno}: {error.msg}"
        ) from None
    except ValueError as error:
        raise RecordError(f"{path}:{number}: {clean(error)}") from None


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
        absent = isinstance(error, FileNotFoundError)
        hint = "; `lsmlab run` and `lsmlab bench` write it with --out DIR" if absent else ""
        raise RecordError(f"{path}: {reason}{hint}") from None
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
