"""The frames for notebooks, and the histograms inside the records."""

import base64
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import results_fixtures as fixtures
from lsmlab_results import histogram, notebook

RESULTS = Path(__file__).parents[2] / "results"


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def packed(*numbers: int) -> str:
    return base64.b64encode(b"H1" + b"".join(varint(n) for n in numbers)).decode()


# 5 ns twice, 255 ns, and three of 300 ns, whose bucket is 300 to 301: bucket 128 + 150.
SMALL = packed(6, 1165, 5, 300, 5, 2, 249, 1, 22, 3)


def test_histogram_by_hand() -> None:
    found = histogram.read(SMALL)
    assert list(found.upto) == [5, 255, 301] and list(found.counts) == [2, 1, 3]
    assert [found.percentile(p) for p in (0, 33, 34, 50, 51, 100)] == [5, 5, 255, 255, 300, 300]
    both = histogram.merge([found, histogram.read(packed(1, 7, 7, 7, 7, 1)), found])
    assert list(both.upto) == [5, 7, 255, 301] and list(both.counts) == [4, 1, 2, 6]
    assert both.count == 13 and both.highest == 300
    assert np.isnan(histogram.read(packed(0)).percentile(50))


@pytest.mark.parametrize("text", ["", "?", SMALL[:-4], packed(3, 1, 1, 1), packed(2, 5, 5, 5, 5, 1),
                                  packed(1, 5, 5, 5, 4608, 1), packed(2**70, 5, 5, 5, 5, 1)])  # fmt: skip
def test_what_is_no_histogram(text: str) -> None:
    with pytest.raises(ValueError):
        histogram.read(text)


def test_histograms_agree_with_the_percentiles_that_stand_beside_them() -> None:
    results = notebook.reader.read(RESULTS / "reference" / "driver-cost")
    kinds = [f for r in results.records for f in r.get("latency_ns", {}).values() if "hdr" in f]
    assert len(kinds) >= 10
    for figures in kinds:
        found = histogram.read(figures["hdr"])
        assert found.count == figures["count"] and found.highest == figures["max"]
        for name, percent in (("p50", 50), ("p90", 90), ("p99", 99), ("p999", 99.9), ("p9999", 99.99)):
            assert found.percentile(percent) == figures[name], name


def written(folder: Path, rates: dict[str, list[float]], **changes: object) -> Path:
    return fixtures.write(folder, [
        fixtures.record(name, "workloada", block, ops=int(60 * rate), ops_per_s=rate, latency_ns=None,
                        cell={"engine.memtable.variant": name}, **changes)
        for name, found in rates.items() for block, rate in enumerate(found)
    ])  # fmt: skip


def test_ratios_are_of_the_same_block_and_directory(tmp_path: Path) -> None:
    one = written(tmp_path / "one", {"baseline": [100, 200], "x": [200, 300], "y": [50, 50]})
    two = written(tmp_path / "two", {"baseline": [100], "x": [700, 900]})
    runs = notebook.load(one, str(two))
    assert len(runs) == 9 and set(runs["directory"]) == {str(one), str(two)}
    assert runs.iloc[2]["cell.engine.memtable.variant"] == "x"
    found = notebook.ratios(runs)
    x = found[found["variant"] == "x"]
    assert list(x["ratio"]) == pytest.approx([2, 1.5, 7]) and list(x["block"]) == [0, 1, 0]
    to_y = notebook.ratios(runs, base="y")
    assert list(to_y[to_y["variant"] == "x"]["ratio"]) == pytest.approx([4, 6])
    effects = notebook.compare(runs)
    assert list(effects["ratio"]) == pytest.approx([3**0.5, 8**-0.5, 7])
    assert list(effects["blocks"]) == [2, 2, 1]


def test_a_figure_that_is_not_there_is_named(tmp_path: Path) -> None:
    runs = notebook.load(written(tmp_path, {"baseline": [100], "x": [200]}))
    with pytest.raises(KeyError, match="no figure 'ops_per_second'; near are .*ops_per_s"):
        notebook.ratios(runs, "ops_per_second")
    with pytest.raises(KeyError, match="no figure 'variant'"):
        notebook.compare(runs, "variant")


def test_series_and_latencies(tmp_path: Path) -> None:
    latency = {"read": {"count": 6, "hdr": SMALL}}
    records = [fixtures.record(name, "workloada", b, latency_ns=latency) for name in "xy" for b in range(2)]
    folder = fixtures.write(tmp_path, records)
    series = notebook.series(folder)
    assert len(series) == 4 * 60 and list(series.columns)[:5] == ["variant", "workload", "phase", "block", "t_s"]
    found = notebook.latencies(folder, "read")
    assert list(found["variant"]) == ["x"] * 3 + ["y"] * 3
    assert list(found["latency_ns"])[:3] == [5, 255, 301]
    assert list(found["share"])[:3] == pytest.approx([1 / 3, 1 / 2, 1])
    assert notebook.latencies(folder, "scan").empty


def test_the_example_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (RESULTS / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    folder = fixtures.write(tmp_path / "results" / "runs" / "parts", fixtures.experiment(3))
    monkeypatch.chdir(tmp_path)
    assert str(folder.relative_to(tmp_path)) in example
    matplotlib.use("svg")
    exec(compile(example, "README.md", "exec"), {})
    assert (tmp_path / "ratios.svg").stat().st_size > 5000
