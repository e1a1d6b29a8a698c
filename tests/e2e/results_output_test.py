"""What the package shows: terminal table, expected bars, plots and the report page."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import results_fixtures as fixtures
from lsmlab_results import (
    cli, effects, expect, origin, plot_bars, plot_time, reader, report, report_provenance, report_tables,
    style, summary, table, text,
)  # fmt: skip

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\x1b[31m\u2028\u202e\x00 $x^{$ _"
BAR = {"workload": "workloada", "phase": "run", "base": "baseline", "metric": "ops_per_s"}


def load(folder: Path, records: list[dict]) -> reader.Results:
    return reader.read(fixtures.write(folder, records))


def hostile_records() -> list[dict]:
    """Two variants; every text of the second one is hostile, its name begins with `_`."""
    evil = fixtures.record("baseline", "workloada", 0)
    for name, value in evil.items():
        if isinstance(value, str) and name not in ("base", "workload", "phase"):
            evil[name] = HOSTILE
    evil["variant"] = "_" + HOSTILE
    evil["build"] = {name: HOSTILE for name in evil["build"]}
    evil["machine"] = {name: HOSTILE for name in evil["machine"]}
    evil["conditions"] = {HOSTILE: HOSTILE, "\ud800": "\ud800"}
    evil["latency_ns"][HOSTILE] = {"count": 1, "p50": 1, "p99": 2}
    evil["idle_parts"] = evil["workload_deviations"] = [HOSTILE]
    evil["expect"] = [{**BAR, "variant": HOSTILE, "at_least": 2}]
    return [fixtures.record("baseline", "workloada", 0, experiment=HOSTILE, question=HOSTILE), evil]


@pytest.mark.parametrize("width", [10, 80, 100, 120, 160, 999])
def test_table_keeps_its_width(tmp_path: Path, width: int) -> None:
    records = fixtures.experiment(2, experiment=HOSTILE) + hostile_records()
    records.append(fixtures.record("名" * 100, "workloada", 0, experiment=HOSTILE))
    shown = table.render(load(tmp_path, records), width)
    for line in shown.splitlines():
        assert text.columns_of(line) <= min(max(width, 80), 160), line
        assert line.isprintable()


def test_table_figures_and_marks(tmp_path: Path) -> None:
    records = [fixtures.record("baseline", "workloada", b, ops=6000, ops_per_s=100, latency_ns=None)
               for b in range(3)]  # fmt: skip
    records += [fixtures.record("x", "workloada", b, ops=60 * r, ops_per_s=r, idle_parts=["cache"],
                                conditions={"threads": 2}, workload_digest="other", dirty=True,
                                write_amplification=3.21, counters={"cache_hits": 3, "cache_misses": 1})
                for b, r in enumerate([199, 200, 201])]  # fmt: skip
    records.append(fixtures.record("x", "workloada", 3, complete=False))
    shown = table.render(load(tmp_path, records), 160)
    line = next(line for line in shown.splitlines() if line.startswith("x "))
    assert re.search(r"200 +2\.00 +\[1\.98, 2\.02\] .* 3\.21 +- +- +75\.0 %", line)
    for mark in ("1 of 4 incomplete", "idle: cache", "differs:", "threads", "dirty source",
                 "other operations than base", "higher than base", "7 runs, 1 incomplete",
                 "ratio over 3 of 4 blocks", "workloada / run, 3 blocks (ratio to baseline"):  # fmt: skip
        assert mark in shown, mark


def stated(tmp_path: Path, phase: str = "run", warmup: str = "read-all") -> reader.Results:
    """baseline and x, which a bar compares, and y, which none does; only baseline is as it should be."""
    full = [{"level": n, "tables": 1, "bytes": 1 << 20, "runs": 1} for n in range(3)]
    flat = [{**level, "bytes": (1 << 20) * (level["level"] < 2)} for level in full]
    empty = [{**level, "bytes": 0} for level in full]
    found = {
        "baseline": [(full, 0), (full, 1 << 20), (full, 0)],
        "x": [(flat, 0), (full, 3 << 20), (empty, 0)],
        "y": [(flat, 3 << 20)] * 3,
    }
    bars = [{**BAR, "phase": phase, "variant": "x", "at_least": 1}]
    return load(tmp_path, [
        fixtures.record(name, "workloada", block, phase, warmup=warmup, expect=bars, levels=levels,
                        device_read_bytes=read, drained_s=61 if block else None)
        for name, states in found.items() for block, (levels, read) in enumerate(states)
    ])  # fmt: skip


def marks_of(results: reader.Results) -> dict[str, list[str]]:
    state = re.compile("levels|the device")
    return {row.variant: [m for m in row.marks if state.search(m)] for row in summary.summarize(results)}


def test_compared_runs_with_a_flat_tree_or_reads_of_the_device_are_marked(tmp_path: Path) -> None:
    few, read = "2 of 3 with fewer than 3 levels", "1 of 3 read the device"
    assert marks_of(stated(tmp_path)) == {"baseline": [], "x": [few, read], "y": []}
    assert marks_of(stated(tmp_path, warmup="scan"))["x"] == [few, read]
    assert marks_of(stated(tmp_path, warmup="none")) == {"baseline": [], "x": [], "y": []}
    # A load reads what it compacts, and no cache was filled for it.
    assert marks_of(stated(tmp_path, "load"))["x"] == [few]


def marked(results: reader.Results, words: str) -> dict[str, list[str]]:
    """Variant -> those of its marks that hold `words`, where there are such."""
    rows = summary.summarize(results)
    found = {row.variant: [m for m in row.marks if words in m] for row in rows}
    return {variant: marks for variant, marks in found.items() if marks}


def test_a_compared_window_below_a_second_is_marked(tmp_path: Path) -> None:
    def short(blocks: int = 2, **changes: object) -> list[str]:
        made = {"ops": 7, "ops_per_s": 100, "elapsed_s": 0.07, "latency_ns": None, **changes}
        records = [fixtures.record(name, "workloada", block, **made)
                   for name in ("baseline", "x") for block in range(blocks)]  # fmt: skip
        return list(marked(load(tmp_path, records), "a window of 0.07 s is mostly its ends"))

    assert short() == ["baseline", "x"]
    assert short(elapsed_s=1, ops=100) == []
    assert short(engine="null") == []
    assert short(blocks=1) == []  # as a smoke run: no interval and no bar
    assert short(blocks=1, expect=[{**BAR, "base": "", "variant": "x", "at_least": 1}]) == ["x"]


def test_sides_that_end_with_other_debts_are_marked(tmp_path: Path) -> None:
    def ended(here: int, there: int, **changes: object) -> dict[str, list[str]]:
        made = {"user_bytes_written": 1000, **changes}
        records = [
            fixtures.record(name, "workloada", block, **made,
                            levels=[{"level": 0, "tables": n, "bytes": n, "runs": n}])
            for name, n in (("x", here), ("baseline", there)) for block in range(2)
        ]  # fmt: skip
        return marked(load(tmp_path, records), "level 0")

    left = "compactions are left for after the window"
    assert ended(12, 1) == {"x": [f"ends with 12 runs in level 0 (base: 1): {left}"]}
    assert ended(1, 12) == {"x": [f"ends with 1 run in level 0 (base: 12): the base's {left}"]}
    assert ended(5, 1) == {}
    assert ended(12, 1, drained_ops_per_s=100) == {}
    assert ended(12, 1, user_bytes_written=0) == {}


def test_a_ratio_that_changes_while_it_is_measured_is_marked(tmp_path: Path) -> None:
    def late(first: int, second: int, blocks: int = 3) -> list[str]:
        records = []
        for block in range(blocks):
            for name, halves in (("baseline", (100, 100)), ("x", (first + block, second))):
                counts = [halves[i // 30] for i in range(60)]
                points = [{"t_s": i + 1, "ops": n, "ops_per_s": n} for i, n in enumerate(counts)]
                made = {"ops": sum(counts), "ops_per_s": sum(counts) / 60, "series": points}
                records.append(fixtures.record(name, "workloada", block, latency_ns=None, **made))
        return marked(load(tmp_path, records), "second half").get("x", [])

    assert late(200, 100) == ["ratio 1.00 in the second half of the window"]
    assert late(100, 200) == ["ratio 2.00 in the second half of the window"]
    assert late(110, 100) == []  # within a tenth
    assert late(200, 100, blocks=1) == []  # no interval to be outside of


def test_due_operations_that_were_not_begun_are_marked(tmp_path: Path) -> None:
    records = [fixtures.record("baseline", "workloada", b, ops=6000, ops_per_s=100, ops_due=due)
               for b, due in enumerate([6000, 6050, 7000, 8000])]  # fmt: skip
    words = "3000 due operations were not begun: latencies leave out the longest waits"
    assert marked(load(tmp_path, records), "due operations") == {"baseline": [words]}
    assert marked(load(tmp_path, records[:2]), "due operations") == {}


def test_state_of_the_stores_is_shown(tmp_path: Path) -> None:
    results = stated(tmp_path)
    shown = table.render(results, 120)
    assert ("non-empty levels at the end: 0 to 3; bytes read from the device: 0 B to 3 MiB; "
            "drained at the end: no / yes") in shown  # fmt: skip
    assert shown.count("! 2 of 3 with fewer than 3 levels; 1 of 3 read the device") == 1
    page = Page(report_tables.conditions(results)).words
    for row in ("run: non-empty levels at the end30 to 32", "run: bytes read from the device0 B to 1 MiB",
                "run: drained at the endno / yes"):  # fmt: skip
        assert row in page, page
    nothing = load(tmp_path, [fixtures.record("null", "workloada", 0, levels=[])])
    assert "non-empty levels at the end: -; bytes read from the device: -;" in table.render(nothing, 120)


def test_a_variant_without_complete_runs_stays_visible(tmp_path: Path) -> None:
    records = [fixtures.record("baseline", "workloada", 0),
               fixtures.record("x", "workloada", 0, complete=False)]  # fmt: skip
    shown = table.render(load(tmp_path, records), 100)
    assert re.search(r"^x +- +- ", shown, re.MULTILINE) and "1 of 1 incomplete" in shown


def outcome(tmp_path: Path, ratios: list[float], at_least: float | None, more: dict | None = None,
            **changes: object) -> expect.Outcome:  # fmt: skip
    bars = [{**BAR, "variant": "x", **({} if at_least is None else {"at_least": at_least}), **changes}]
    records = [fixtures.record("baseline", "workloada", b, ops=6000, ops_per_s=100)
               for b in range(len(ratios))]  # fmt: skip
    records += [fixtures.record("x", "workloada", b, ops=int(6000 * r), ops_per_s=100 * r, expect=bars,
                                **(more or {})) for b, r in enumerate(ratios)]  # fmt: skip
    results = load(tmp_path, records)
    (bar,) = expect.bars_of(results)
    return expect.judge(results, bar)


def test_bars(tmp_path: Path) -> None:
    met = outcome(tmp_path, [2.1, 2.1, 2.1], 2.0)
    assert met.passed and met.figure == pytest.approx(2.1) and met.blocks == 3
    assert not outcome(tmp_path, [1.99, 1.99, 1.99], 2.0).passed  # mean below the bar
    assert not outcome(tmp_path, [1.5, 2.1, 3.0], 2.0).passed  # lower bound below 0.9 of the bar
    edge = outcome(tmp_path, [1.96, 2.05, 2.05], 2.0)
    assert edge.passed and 1.8 <= edge.low < 2.0
    assert not outcome(tmp_path, [5.0], 2.0).passed  # one block has no lower bound
    absent = outcome(tmp_path, [2.1, 2.1], 2.0, metric="no_such_metric")
    assert not absent.passed and absent.figure is None


def test_bars_from_above_of_a_figure_itself_and_without_a_bound(tmp_path: Path) -> None:
    assert outcome(tmp_path, [0.4, 0.4], None, at_most=0.5).passed
    assert not outcome(tmp_path, [0.51, 0.51], None, at_most=0.5).passed  # mean above the bar
    assert not outcome(tmp_path, [0.3, 0.4, 0.7], None, at_most=0.5).passed  # its upper bound beyond a tenth
    assert not outcome(tmp_path, [0.6, 0.6], 0.5, at_most=0.55).passed  # one of two
    itself = outcome(tmp_path, [2.1, 2.1], None, base="", at_most=211)
    assert itself.passed and itself.figure == pytest.approx(210) and itself.bar.who == "x"
    assert not outcome(tmp_path, [2.1, 2.1], 211, base="").passed
    assert outcome(tmp_path, [2.1, 2.1], None).passed is None
    assert cli.main(["speed", str(tmp_path)]) == 0
    outcome(tmp_path, [2.1, 2.1], None, metric="no_such_metric")
    assert cli.main(["speed", str(tmp_path)]) == 0
    zero = outcome(tmp_path, [2.1, 2.1], None, base="", metric="counters.stalls", at_most=5)
    assert not zero.passed and zero.blocks == 0  # no such counter
    zero = outcome(tmp_path, [2.1, 2.1], None, {"counters": {"stalls": 0}}, base="",
                   metric="counters.stalls", at_most=5)  # fmt: skip
    assert zero.passed and zero.figure == 0


def test_figures_beside_a_bound_have_the_digits_that_tell_them_apart(tmp_path: Path) -> None:
    near = outcome(tmp_path, [1.998, 1.998], 2.0)
    assert not near.passed and near.shown == "1.998"
    assert "ops_per_s: 1.998 (2.00 to 2.00, 2 blocks), bar >= 2.00" in expect.render([near])
    assert outcome(tmp_path, [2.0, 2.0], 2.0).shown == "2.00"


def test_a_bar_needs_every_block_and_every_operation(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert outcome(tmp_path, [2.1, 2.1, 2.1], 2.0).passed
    assert not outcome(tmp_path, [2.1, 2.1, 2.1], 2.0, {"ops_failed": 7}).passed
    assert cli.main(["speed", str(tmp_path)]) == 1
    assert "3 blocks), failed operations, bar >= 2.00" in capsys.readouterr().out
    bars = [{**BAR, "variant": "x", "at_least": 2.0}]
    records = [fixtures.record("baseline", "workloada", b, ops=6000, ops_per_s=100) for b in range(3)]
    records += [fixtures.record("x", "workloada", b, ops=12600, ops_per_s=210, expect=bars) for b in range(2)]
    records.append(fixtures.record("x", "workloada", 2, complete=False))
    results = load(tmp_path, records)
    assert not expect.judge(results, expect.bars_of(results)[0]).passed


def test_a_bar_needs_the_planned_blocks(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert outcome(tmp_path, [2.1, 2.1], 2.0).passed  # older records do not say how many
    named = outcome(tmp_path, [2.1, 2.1], 2.0, {"blocks": 5})
    assert not named.passed and named.counted == "2 of 5"
    runs = [{"workload": "workloada", "block": b, "load": b < 4, "run": b < 3} for b in range(9)]
    (tmp_path / "plan.json").write_text(json.dumps({"runs": runs}))
    assert outcome(tmp_path, [2.1, 2.1, 2.1], 2.0).passed
    assert not outcome(tmp_path, [2.1, 2.1], 2.0).passed
    assert cli.main(["speed", str(tmp_path)]) == 1
    assert "2.10 (2.10 to 2.10, 2 of 3 blocks), bar >= 2.00" in capsys.readouterr().out


def speed_line(folder: Path, conditions: dict[str, dict], **more: object) -> str:
    """What `speed` says of x against y, which is not the experiment's base."""
    bars = [{**BAR, "variant": "x", "base": "y", "at_least": 0.5}]
    records = [
        fixtures.record(name, "workloada", b, ops=6000, ops_per_s=100, expect=bars, conditions=c,
                        **(more if name == "y" else {}))
        for name, c in conditions.items() for b in range(3)
    ]  # fmt: skip
    results = load(folder, records)
    outcomes = [expect.judge(results, bar) for bar in expect.bars_of(results)]
    assert not expect.missed(outcomes)
    (line, _) = expect.render(outcomes).splitlines()
    for words in outcomes[0].notes:
        assert words in Page(report.render(results, [])).words
    return line


def test_a_bar_names_what_differs_between_its_sides(tmp_path: Path) -> None:
    mine, other = {"direct_io": "none", "threads": 2}, {"direct_io": "all", "threads": 2}
    assert speed_line(tmp_path, {"baseline": other, "x": mine, "y": mine}).endswith("bar >= 0.50")
    line = speed_line(tmp_path, {"baseline": mine, "x": mine, "y": {**other, "again": 3}})
    assert line.endswith("bar >= 0.50; differs: direct_io none/all, again -/3")
    line = speed_line(tmp_path, {"x": mine, "y": other}, workload_digest="another")
    assert line.endswith("; differs: direct_io none/all, stream digest")
    many = ({f"c{i}": side for i in range(9)} for side in (1, 2))
    line = speed_line(tmp_path, dict(zip(("x", "y"), many)))
    assert line.endswith(", c6 1/2, c7 1/2, 1 more")


def test_a_bar_says_when_its_sides_end_with_other_debts(tmp_path: Path) -> None:
    flat = [{"level": 0, "tables": 9, "bytes": 9, "runs": 9}]
    same = {"x": {}, "y": {}}
    assert speed_line(tmp_path, same, levels=flat).endswith("bar >= 0.50")  # x wrote nothing
    records = [json.loads(line) for line in (tmp_path / "records.ndjson").read_text().splitlines()]
    for record in records:
        record["user_bytes_written"] = 1000
    results = load(tmp_path, records)
    (judged,) = (expect.judge(results, bar) for bar in expect.bars_of(results))
    assert judged.passed
    assert judged.notes[0].startswith("ends with 1 run in level 0 (base: 9): the base's")


def test_speed_command(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    outcome(tmp_path, [2.1, 2.1, 2.1], 2.0)
    assert cli.main(["speed", str(tmp_path)]) == 0
    assert "pass  workloada run  x / baseline  ops_per_s: 2.10 (2.10 to 2.10, 3 blocks), bar >= 2.00" in capsys.readouterr().out
    outcome(tmp_path, [1.1, 1.1, 1.1], 2.0)
    assert cli.main(["speed", str(tmp_path)]) == 1
    assert "0 of 1 bars passed" in capsys.readouterr().out
    fixtures.write(tmp_path, [fixtures.record("baseline", "workloada", 0)])
    assert cli.main(["speed", str(tmp_path)]) == 2


def test_nothing_complete(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    fixtures.write(tmp_path, [fixtures.record("baseline", "workloada", 0, complete=False)])
    assert cli.main(["table", str(tmp_path)]) == 1
    assert cli.main(["report", str(tmp_path)]) == 1
    assert "no run is complete" in capsys.readouterr().err
    assert "1 incomplete, in no figure" in (tmp_path / "report.html").read_text()


class Page(HTMLParser):
    """Collects elements and attributes; checks that elements nest."""

    VOID = {"meta", "br", "wbr", "img", "use", "path"}

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.stack: list[str] = []
        self.words = ""
        self.feed(source)
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_report_is_closed_and_complete(tmp_path: Path) -> None:
    records = [r for r in fixtures.experiment(2) if r["variant"] in ("baseline", "rocksdb")]
    records = [r for r in records if r["workload"] != "workloadb"]
    records.append(fixtures.record("rocksdb", "workloada", 2, complete=False, error="out of disk"))
    records[-2]["conditions"]["compression"] = "snappy"
    assert cli.main(["report", str(fixtures.write(tmp_path, records))]) == 0
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(source)
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert not [t for t, _ in page.tags if t in ("script", "link", "iframe", "object")]
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("href", "src", "xlink:href"):
                assert value.startswith("#"), (tag, value)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids)) > 100
    assert sum(t == "svg" for t, _ in page.tags) == 9
    differing = source[source.index('<tr class="differs">') :].split("</tr>")[0]
    assert "compression" in differing and "snappy" in differing
    for words in ("Which part buys most", "1 of 3 incomplete", "out of disk", "Example CPU", "0123abcd",
                  "gcc 12.2.0", "-O3", "idle: filter", "hash of rocksdb", "0000000000000001"):  # fmt: skip
        assert words in page.words, words


def test_hostile_text_is_only_text(tmp_path: Path) -> None:
    assert cli.main(["report", str(fixtures.write(tmp_path, hostile_records()))]) == 0
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(source)
    assert not [t for t, _ in page.tags if t in ("script", "img")]
    assert not [c for c in source if not c.isprintable() and c != "\n"]
    assert "</script><img src=x onerror=alert(1)>" in page.words
    for path in (tmp_path / "plots").iterdir():
        assert re.fullmatch(r"[a-z0-9-]+\.(svg|png)", path.name)


def test_plots_do_not_depend_on_the_process(tmp_path: Path) -> None:
    records = [r for r in fixtures.experiment(2) if r["variant"] in ("baseline", "rocksdb", "memtable=btree")]
    records = [r for r in records if r["workload"] == "workloada"]
    drawn = []
    for name, order in (("one", records), ("two", records[::-1])):
        folder = fixtures.write(tmp_path / name, order)
        subprocess.run([sys.executable, "-m", "lsmlab_results", "plots", str(folder)], check=True)
        drawn.append({p.name: p.read_bytes() for p in (folder / "plots").iterdir()})
    assert drawn[0] == drawn[1]
    assert {n.split("-")[0].split(".")[0] for n in drawn[0]} == {
        "ratio", "throughput", "latency", "amplification", "levels",
    }  # fmt: skip
    assert all(data.startswith(b"\x89PNG") for n, data in drawn[0].items() if n.endswith("png"))


def test_plots_are_not_written_through_a_link(tmp_path: Path) -> None:
    folder = fixtures.write(tmp_path / "run", [fixtures.record("baseline", "workloada", 0)])
    (tmp_path / "elsewhere").mkdir()
    (folder / "plots").symlink_to(tmp_path / "elsewhere")
    assert cli.main(["plots", str(folder)]) == 2
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_percentiles_of_few_latencies_are_not_shown(tmp_path: Path) -> None:
    records = [fixtures.record("baseline", "workloadc", b, latency_ns={"read": {"count": 1000 - b, "p50": 7e3, "p99": 5e6}})
               for b in range(2)]  # fmt: skip
    (row,) = summary.summarize(load(tmp_path, records))
    assert row.p50_ns == pytest.approx(7e3) and row.p99_ns is None  # one of two blocks has none
    (row,) = summary.summarize(load(tmp_path, records[:1]))
    assert row.p99_ns == pytest.approx(5e6)


def test_where_figures_come_from_stands_in_tables_and_files(tmp_path: Path) -> None:
    records = [fixtures.record(name, "workloada", b, started_at=f"2026-01-0{b + 1}T00:00:00Z",
                               build={"compiler": "gcc 12.2.0", "type": "Release", "plugins": ["a.so 12ab", "b.so 34cd"]})
               for name in ("baseline", "x") for b in range(2)]  # fmt: skip
    line = ("experiment parts; revision 0123abcd; gcc 12.2.0 Release; Example CPU, 2 cores; "
            "2026-01-01 to 2026-01-02")  # fmt: skip
    results = load(tmp_path, records)
    assert origin.line(results) == line
    assert table.render(results, 160).splitlines()[-1] == line
    assert cli.main(["report", str(tmp_path)]) == 0
    for path in (tmp_path / "plots").iterdir():
        assert line.encode() in path.read_bytes(), path
    words = Page((tmp_path / "report.html").read_text()).words
    for row in ("plugins a.so 12ab, b.so 34cd", "runs begun 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z"):
        assert row in words
    records[-1].update(revision="", dirty=True, machine={})
    records[0]["revision"] = "f" * 40
    assert "; 2 revisions; " in origin.line(load(tmp_path, records))


def test_runs_that_never_began_say_nothing_of_their_origin(tmp_path: Path) -> None:
    records = [fixtures.record("baseline", "workloada", 0, clock="tsc"),
               fixtures.record("baseline", "workloada", 1, complete=False, clock="")]  # fmt: skip
    page = Page(report_provenance.provenance(load(tmp_path, records))).words
    assert "clock tsc" in page and "runs differ" not in page


def test_throughput_is_drawn_without_what_the_end_has_cut_off(tmp_path: Path) -> None:
    points = [{"t_s": t, "ops": 10, "ops_per_s": rate} for t, rate in ((1, 10), (2, 10), (2.01, 1000))]
    assert plot_time._points({"series": points}) == points[:2]
    assert plot_time._points({"series": [*points[:2], {**points[2], "t_s": 2.6}]})[-1]["t_s"] == 2.6
    # Intervals without a rate are no picture, and no failure.
    fixtures.write(tmp_path, [fixtures.record("baseline", "workloada", 0, series=[{"t_s": 1, "ops": 1}])])
    assert cli.main(["plots", str(tmp_path)]) == 0
    assert not [p for p in (tmp_path / "plots").iterdir() if p.name.startswith("throughput")]


def test_throughput_is_drawn_to_the_end_of_every_run() -> None:
    def right(seconds: dict[str, int]) -> dict[str, float]:
        cells = {
            name: [{"ops_per_s": 5, "elapsed_s": end, "series": [{"t_s": t, "ops_per_s": 5} for t in (1, end)]}]
            for name, end in seconds.items()
        }  # fmt: skip
        with style.settings():
            figure = plot_time.draw("t", cells, style.looks(list(cells), ["a"]))
        axes = {a.get_title(loc="left"): a for a in figure.axes}
        return {name: axes[name].get_xlim()[1] for name in cells}

    near, apart = {"a": 10, "b": 30, "c": 20}, {"a": 10, "b": 100}
    assert all(30 < end < 35 for end in right(near).values())  # one scale
    assert all(end < right(apart)[name] < 1.2 * end for name, end in apart.items())


def test_an_effect_below_the_noise_stands_on_the_grey_of_it(tmp_path: Path) -> None:
    records = fixtures.experiment(3)
    results = load(tmp_path, [r for r in records if r["workload"] == "workloada"])
    found = effects.compare(results.usable)
    with style.settings():
        figure = plot_bars.draw_ratios("t", found, style.looks(summary.variants_of(results), ["baseline"]))
    (axes,) = figure.axes
    assert "grey: A/A noise" in axes.get_xlabel() and found[0].noise > 1
    spans = [p.get_xy()[:, 0] for p in axes.patches if hasattr(p, "get_xy") and np.ndim(p.get_xy()) == 2]
    assert any(xs.min() < 1 < xs.max() for xs in spans)
