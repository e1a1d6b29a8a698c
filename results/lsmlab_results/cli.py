"""The command line: table, report, plots, speed, simulation.

Exit codes: 0 done; 1 done, and the answer is no (nothing complete to show, a bar missed or not
measured); 2 the input or the command line is at fault, or a file could not be written.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from lsmlab_results import expect, simulation, table
from lsmlab_results.reader import RecordError, Results, read
from lsmlab_results.text import clean

_EXAMPLE = "example: PYTHONPATH=results /usr/bin/python3 -m lsmlab_results report results/runs/parts"


def main(arguments: list[str]) -> int:
    """Runs one command; returns the exit code."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")
    try:
        code = options.run(options.read(options.directory), options)
        sys.stdout.flush()
        return code
    except RecordError as error:
        return _fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _fail(f"{error.filename or options.directory}: {error.strerror}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lsmlab_results", epilog=_EXAMPLE,
        description="Reads DIR/records.ndjson and shows what was measured.",
    )  # fmt: skip
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, words in (
        ("table", _table, "print the comparison as text"),
        ("report", _report, "write DIR/report.html and DIR/plots/"),
        ("plots", _plots, "write DIR/plots/*.svg and *.png"),
        ("speed", _speed, "hold the expected ratios in the records against the measured ones"),
        ("simulation", _simulation, "draw DIR/simulation.ndjson into DIR/plots/"),
    ):
        command = commands.add_parser(name, help=words, description=words, epilog=_EXAMPLE)
        command.add_argument("directory", type=Path, metavar="DIR", help="a result directory")
        if name == "table":
            command.add_argument(
                "--width", type=int, metavar="COLUMNS",
                help="80 to 160; without it, as wide as the terminal",
            )  # fmt: skip
        command.set_defaults(run=run, read=simulation.read if run is _simulation else read)
    return parser


def _table(results: Results, options: argparse.Namespace) -> int:
    width = options.width or shutil.get_terminal_size((120, 24)).columns
    sys.stdout.write(table.render(results, width))
    return _any_complete(results)


def _report(results: Results, options: argparse.Namespace) -> int:
    from lsmlab_results import report  # matplotlib takes a second to load

    print(clean(report.write(results), 4096))
    return _any_complete(results)


def _plots(results: Results, options: argparse.Namespace) -> int:
    from lsmlab_results import plots

    for plot in plots.draw_all(results):
        print(clean(plot.svg, 4096), clean(plot.png, 4096), sep="\n")
    return _any_complete(results)


def _speed(results: Results, options: argparse.Namespace) -> int:
    bars = expect.bars_of(results)
    if not bars:
        return _fail(f"{options.directory}: the records carry no 'expect' bars")
    outcomes = [expect.judge(results, bar) for bar in bars]
    sys.stdout.write(expect.render(outcomes))
    return 1 if expect.missed(outcomes) else 0


def _simulation(simulated: simulation.Simulation, options: argparse.Namespace) -> int:
    from lsmlab_results import plot_simulation

    for path in plot_simulation.draw_file(simulated):
        print(clean(path, 4096))
    return 0


def _any_complete(results: Results) -> int:
    if results.runs["usable"].any():
        return 0
    print("lsmlab_results: no run is complete", file=sys.stderr)
    return 1


def _fail(message: str) -> int:
    print(f"lsmlab_results: {clean(message, 1000)}", file=sys.stderr)
    return 2
