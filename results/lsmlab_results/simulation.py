"""Reads `simulation.ndjson`, as `lsmlab simulate --out DIR` writes it: a head, then samples over time."""

import json
from dataclasses import dataclass
from pathlib import Path

from lsmlab_results.reader import RecordError
from lsmlab_results.text import clean

NAME = "simulation.ndjson"
FILE_BYTES_MAX = 64 * 2**20
_FIGURES = ("user_bytes", "written_bytes", "space_amplification", "seek_runs")


@dataclass
class Simulation:
    """The head as it stands in the file, and the samples in order."""

    directory: Path
    head: dict
    samples: list[dict]


def read(directory: Path) -> Simulation:
    """Reads `directory`/simulation.ndjson. Raises RecordError: one line, `file:line: what`."""
    path = directory / NAME
    try:
        if not path.is_file():
            raise RecordError(f"{path}: no such file; `lsmlab simulate --out DIR` writes it")
        if path.stat().st_size > FILE_BYTES_MAX:
            raise RecordError(f"{path}: above the limit of {FILE_BYTES_MAX} bytes")
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from None
    objects = [_parse(path, number, line) for number, line in enumerate(lines, 1)]
    if not objects or objects[0].get("simulation") != 1:
        raise RecordError(f"{path}:1: not the head of a simulation of version 1")
    for number, sample in enumerate(objects[1:], 2):
        _check(path, number, sample)
    if len(objects) < 2:
        raise RecordError(f"{path}:2: holds no sample")
    return Simulation(directory, objects[0], objects[1:])


def _parse(path: Path, number: int, line: str) -> dict:
    try:
        value = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise RecordError(f"{path}:{number}: not JSON: {clean(error)}") from None
    if not isinstance(value, dict):
        raise RecordError(f"{path}:{number}: not an object")
    return value


def _check(path: Path, number: int, sample: dict) -> None:
    figures = [(name, sample.get(name)) for name in _FIGURES]
    levels = sample.get("levels")
    if not isinstance(levels, list) or not all(isinstance(level, dict) for level in levels):
        raise RecordError(f"{path}:{number}: levels is not a list of objects")
    for level in levels:
        figures += [(f"levels.{name}", level.get(name)) for name in ("bytes", "written_bytes")]
    for name, value in figures:
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not good or not 0 <= value < 1e30:
            raise RecordError(f"{path}:{number}: {name} is {clean(value, 40)}, not a number from 0 on")
