"""Writes `report.html`: one page that works offline, with tables, plots and provenance."""

import os
from pathlib import Path

from lsmlab_results import expect, markup, report_provenance, report_tables, text
from lsmlab_results.markup import esc
from lsmlab_results.plots import Plot, draw_all
from lsmlab_results.reader import Results
from lsmlab_results.style import VARIANTS_MAX
from lsmlab_results.summary import summarize

NAME = "report.html"


def write(results: Results) -> Path:
    """Draws the plots and writes the page; returns its path. A reader never sees half a page."""
    plots = draw_all(results)
    path = results.directory / NAME
    partial = results.directory / f".{NAME}.partial"
    with open(partial, "w", encoding="utf-8") as stream:
        stream.write(render(results, plots))
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(partial, path)
    return path


def render(results: Results, plots: list[Plot]) -> str:
    """The page as text."""
    first = results.records[0]
    rows = summarize(results)
    sections = [
        f"<h1>{esc(first['experiment'])}</h1>",
        f'<p class="question">{esc(first.get("question", ""), 2000)}</p>',
        _overview(results),
        "<h2>Comparison</h2>",
        _reading_aid(),
        *report_tables.comparison(rows),
        "<h2>Are the sides configured alike?</h2>",
        report_tables.conditions(results),
        _bars(results),
        "<h2>Plots</h2>",
        _left_out(results),
        *[_figure(p, number) for number, p in enumerate(plots)],
        "<h2>Provenance</h2>",
        report_provenance.provenance(results),
        "<h2>Runs</h2>",
        report_tables.runs(results),
    ]
    return markup.page(f"{text.clean(first['experiment'])} - lsmlab report", "\n".join(sections))


def _overview(results: Results) -> str:
    incomplete = int((~results.runs["usable"]).sum())
    words = [
        f"{len(results.runs)} runs, {results.runs['variant'].nunique()} variants, "
        f"{results.runs['workload'].nunique()} workloads, {results.runs['block'].nunique()} blocks."
    ]
    if incomplete:
        words.append(markup.marks([f"{incomplete} incomplete, in no figure"]))
    notes = "".join(f"<li>{esc(n)}</li>" for n in results.notices[:50])
    more = len(results.notices) - 50
    if more > 0:
        notes += f"<li>and {more} more notes</li>"
    return f"<p>{' '.join(words)}</p>" + (f"<ul>{notes}</ul>" if notes else "")


def _reading_aid() -> str:
    return (
        '<p class="soft">The ratio is to the base of the same workload, phase and block: geometric '
        "mean over blocks with its 95 % interval (paired t on logs; BCa bootstrap beside it). p is "
        "corrected by Holm over all comparisons. WA, RA, SA: write, read and space amplification. "
        "Compactions and filter probes are means per run. A latency counts from the call, so that a "
        "slow answer delays the next question; only at a target rate it counts from when the "
        "operation was due. - means not measured, or that fewer than ten latencies lie above the "
        "percentile.</p>"
    )


def _bars(results: Results) -> str:
    bars = expect.bars_of(results)
    if not bars:
        return ""
    rows = []
    for o in (expect.judge(results, b) for b in bars):
        if o.passed is None:
            word = "no bar"
        else:
            word = "pass" if o.passed else markup.marks(["missed" if o.blocks else "not measured"])
        names = (o.bar.workload, o.bar.phase, o.bar.variant, o.bar.base, o.bar.metric)
        cells = "".join(f'<td class="name">{markup.name(n)}</td>' for n in names)
        figures = markup.numbers(
            [o.bar.wanted, o.shown, text.ratio(o.low), text.ratio(o.high), o.counted]
        )
        rows.append(f"<tr>{cells}{figures}<td>{word} {markup.marks(o.notes)}</td></tr>")
    heads = [
        "workload", "phase", "variant", "base", "metric", "bar", "figure", "from", "to", "blocks",
        "verdict",
    ]  # fmt: skip
    return "<h2>Expectations</h2>" + markup.table(heads, rows)


def _left_out(results: Results) -> str:
    more = results.runs["variant"].nunique() - VARIANTS_MAX
    return f"<p>The plots leave out {more} variants; the tables hold all.</p>" if more > 0 else ""


def _figure(plot: Plot, number: int) -> str:
    drawing = markup.inline_svg(plot.svg, number, plot.title)
    files = f"plots/{plot.svg.name}, plots/{plot.png.name}"
    return f"<figure>{drawing}<figcaption>{esc(plot.caption)} {esc(files)}</figcaption></figure>"
