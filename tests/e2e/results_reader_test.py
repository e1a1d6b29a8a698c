"""The reader against good, cut-off and hostile records."""

import gzip
import json
import os
from pathlib import Path

import pytest
import results_fixtures as fixtures
from lsmlab_results import cli, reader


def load(folder: Path, records: list[dict]) -> reader.Results:
    return reader.read(fixtures.write(folder, records))


def test_fields_become_columns(tmp_path: Path) -> None:
    results = load(tmp_path, [fixtures.record("baseline", "workloada", 0, surprise="new")])
    run = results.runs.iloc[0]
    assert run["variant"] == "baseline" and run["usable"] and run["line"] == 1
    assert run["latency_ns.read.p99"] == results.records[0]["latency_ns"]["read"]["p99"]
    assert run["counters.compactions"] == 118
    assert results.notices == []


def test_incomplete_runs_are_kept_but_not_usable(tmp_path: Path) -> None:
    results = load(tmp_path, [
        fixtures.record("baseline", "workloada", 0),
        fixtures.record("baseline", "workloada", 1, complete=False, ops_per_s=None, error="killed"),
        fixtures.record("baseline", "workloada", 2, error="but says complete"),
        fixtures.record("baseline", "workloada", 3, ops=0, ops_per_s=0),
    ])  # fmt: skip
    assert list(results.runs["usable"]) == [True, False, False, False]
    assert len(results.usable) == 1 and len(results.records) == 4
    assert len(results.notices) == 2 and "line 3" in results.notices[0]
    assert len(results.usable_records("baseline", "workloada", "run")) == 1


def test_disagreeing_figures_are_marked(tmp_path: Path) -> None:
    forged = fixtures.record("baseline", "workloada", 0)
    forged["ops_per_s"] *= 1.02
    short = fixtures.record("baseline", "workloada", 1)
    short["latency_ns"]["read"]["count"] = short["ops"] + 1
    near = fixtures.record("baseline", "workloada", 2)
    near["ops_per_s"] *= 1.005
    results = load(tmp_path, [forged, short, near])
    assert list(results.runs["mismatch"]) == [True, True, False]
    assert len(results.notices) == 2


def test_last_line_cut_off_is_noted_but_elsewhere_refused(tmp_path: Path) -> None:
    good = json.dumps(fixtures.record("baseline", "workloada", 0))
    path = tmp_path / "records.ndjson"
    path.write_text(f"{good}\n\n{good[:200]}")
    results = reader.read(tmp_path)
    assert len(results.records) == 1 and "line 3 was cut off" in results.notices[0]
    path.write_text(f"{good[:200]}\n{good}\n")
    with pytest.raises(reader.RecordError, match=r"records\.ndjson:1: not JSON at column"):
        reader.read(tmp_path)


def test_last_line_cut_off_inside_a_character_is_noted(tmp_path: Path) -> None:
    good = json.dumps(fixtures.record("baseline", "workloada", 0, question="Wozu? Für"), ensure_ascii=False)
    path = tmp_path / "records.ndjson"
    raw = good.encode()
    path.write_bytes(raw + b"\n" + raw[: raw.index("ü".encode()) + 1])
    assert "line 2 was cut off" in reader.read(tmp_path).notices[0]
    assert ":1: not UTF-8 at byte" in refused(tmp_path, raw[: raw.index("ü".encode()) + 1] + b"\n")


def test_a_directory_holds_one_experiment(tmp_path: Path) -> None:
    records = [fixtures.record("baseline", "workloada", b, experiment=name)
               for b, name in enumerate(["parts", "parts", "filters"])]  # fmt: skip
    with pytest.raises(reader.RecordError, match=r"ndjson:3: of experiment 'filters', after .* 'parts'"):
        load(tmp_path, records)


def test_percentiles_of_few_latencies_are_no_figures(tmp_path: Path) -> None:
    few = fixtures.record("baseline", "workloada", 0)
    few["latency_ns"]["read"]["count"] = 1000
    few["latency_ns"]["update"]["count"] = 999
    run = load(tmp_path, [few]).runs.iloc[0]
    assert run["latency_ns.read.p99"] > 0 and "latency_ns.read.p999" not in run
    assert run["latency_ns.update.p95"] > 0 and "latency_ns.update.p99" not in run
    assert run["latency_ns.update.max"] > 0
    del few["latency_ns"]["update"]["count"]  # as others may write it: nothing to go by
    assert load(tmp_path, [few]).runs.iloc[0]["latency_ns.update.p9999"] > 0


def test_rate_of_the_second_half(tmp_path: Path) -> None:
    def late(seconds: list[int], counts: list[int], **changes: object) -> float | None:
        points = [{"t_s": t, "ops": n} for t, n in zip(seconds, counts)]
        made = {"ops": sum(counts), "elapsed_s": 11, "ops_per_s": sum(counts) / 11, "latency_ns": None, **changes}
        record = fixtures.record("baseline", "workloada", 0, series=points, **made)
        return load(tmp_path, [record]).runs.iloc[0].get("late_ops_per_s")

    # 11 s: of the sixth interval half counts, then five of 40 a second
    assert late(list(range(1, 12)), [100] * 5 + [80] + [40] * 5) == pytest.approx((40 + 200) / 5.5)
    assert late(list(range(1, 10)), [100] * 9, elapsed_s=9) is None  # too few to halve
    assert late(list(range(1, 12)), [100] * 11, ops=1200) is None  # of other operations


def test_a_run_without_operations_is_incomplete(tmp_path: Path) -> None:
    nothing = fixtures.record("baseline", "workloada", 0, ops=0, ops_per_s=0, elapsed_s=0, latency_ns=None)
    results = load(tmp_path, [nothing])
    assert not results.runs["usable"].any() and "did no operation" in results.notices[0]


def test_blocks_due_are_those_planned_or_held(tmp_path: Path) -> None:
    records = [fixtures.record("baseline", "workloada", b, complete=b < 2, blocks=5) for b in range(3)]
    records.append(fixtures.record("baseline", "workloadb", 0))
    results = load(tmp_path, records)
    assert results.blocks_due == {("workloada", "run"): 5, ("workloadb", "run"): 1}


def test_repeated_block_is_noted(tmp_path: Path) -> None:
    results = load(tmp_path, [fixtures.record("baseline", "workloada", 0)] * 2)
    assert "repeat a block" in results.notices[0]


RAW = [
    ('"ops_per_s":NaN', "NaN is not a figure"),
    ('"ops_per_s":-Infinity', "-Infinity is not a figure"),
    ('"ops_per_s":1e400', "1e400 is beyond the range"),
    ('"ops":' + "9" * 5000, "beyond 64 bits"),
    ('"config":' + "[" * 100_000 + "]" * 100_000, "nested too deeply"),
    ('"block":0', "names a field twice"),
]
REPLACED = [
    ({"schema": 2}, "schema 2 is unknown"),
    ({"schema": None}, "no field 'schema'"),
    ({"schema": True}, "schema True is unknown"),
    ({"variant": None}, "no field 'variant'"),
    ({"variant": " "}, "'variant' is empty"),
    ({"base": None}, "no field 'base'"),
    ({"complete": "yes"}, "'complete' must be of type bool"),
    ({"ops_per_s": None}, "no field 'ops_per_s'"),
    ({"ops_per_s": "fast"}, "'ops_per_s' must be of type number"),
    ({"ops_per_s": True}, "'ops_per_s' must be of type number"),
    ({"elapsed_s": 0}, "must be above 0"),
    ({"ops": -1}, "'ops' is negative"),
    ({"block": 1.5}, "'block' must be of type int"),
    ({"latency_ns": []}, "'latency_ns' must be of type object"),
    ({"latency_ns": {"read": {"p50": 9, "p99": 3}}}, "p50 9 is above p99 3"),
    ({"latency_ns": {"read": {"count": -4}}}, "is negative"),
    ({"counters": {"gets": "many"}}, "'counters.gets' must be of type number"),
    ({"series": [{"ops": 1}]}, r"'series\[\].t_s' must be of type number"),
    ({"events": [{"t_s": -1, "kind": "flush", "duration_s": -2}]}, r"duration_s' is negative"),
    ({"events": [{"t_s": 1}]}, r"'events\[\].kind' must be of type string"),
    ({"levels": [3]}, r"'levels\[\]' must be of type object"),
    ({"idle_parts": [1]}, r"'idle_parts\[\]' must be of type string"),
    ({"expect": [{"at_least": 2}]}, r"'expect\[\].workload' must be of type string"),
]


def refused(folder: Path, text: bytes) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "records.ndjson").write_bytes(text)
    with pytest.raises(reader.RecordError) as caught:
        reader.read(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    return str(caught.value)


@pytest.mark.parametrize("field,words", RAW)
def test_forbidden_tokens(tmp_path: Path, field: str, words: str) -> None:
    good = json.dumps(fixtures.record("baseline", "workloada", 0))
    message = refused(tmp_path, f"{good}\n{good[:-1]},{field}}}\n".encode())
    assert "records.ndjson:2: " in message and words in message


@pytest.mark.parametrize("changes,words", REPLACED)
def test_forbidden_values(tmp_path: Path, changes: dict, words: str) -> None:
    good = json.dumps(fixtures.record("baseline", "workloada", 0))
    bad = json.dumps(fixtures.record("baseline", "workloada", 1, **changes))
    (tmp_path / "records.ndjson").write_text(f"{good}\n{bad}\n")
    with pytest.raises(reader.RecordError, match=rf"records\.ndjson:2: .*{words}"):
        reader.read(tmp_path)


def test_packed_records_are_read_like_plain_ones(tmp_path: Path) -> None:
    line = json.dumps(fixtures.record("baseline", "workloada", 0)).encode() + b"\n"
    packed = gzip.compress(line, mtime=0)
    (tmp_path / "records.ndjson.gz").write_bytes(packed)
    assert len(reader.read(tmp_path).records) == 1
    for bad in (packed[:-9], b"not gzip", packed[:20] + bytes([packed[20] ^ 0xFF]) + packed[21:]):
        (tmp_path / "records.ndjson.gz").write_bytes(bad)
        with pytest.raises(reader.RecordError, match=r"records\.ndjson\.gz:[12]: "):
            reader.read(tmp_path)


def test_a_packed_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LINE_BYTES_MAX", 1000)
    (tmp_path / "records.ndjson.gz").write_bytes(gzip.compress(b" " * 100_000))
    with pytest.raises(reader.RecordError, match="line is above 1000 bytes"):
        reader.read(tmp_path)


PLANS = [
    (b'{"runs": [', "Expecting value"),
    (b"\xff", "decode"),
    (b'{"runs": 3}', "not a plan"),
    (b'{"runs": [{"workload": "workloada", "block": "0"}]}', "not a plan"),
]


@pytest.mark.parametrize("text,words", PLANS)
def test_a_plan_that_is_none_is_refused(tmp_path: Path, text: bytes, words: str) -> None:
    fixtures.write(tmp_path, [fixtures.record("baseline", "workloada", 0)])
    (tmp_path / "plan.json").write_bytes(text)
    with pytest.raises(reader.RecordError, match=rf"plan\.json: .*{words}"):
        reader.read(tmp_path)


def test_other_bytes(tmp_path: Path) -> None:
    assert ":1: not UTF-8 at byte 2" in refused(tmp_path, b'{"\xff": 1}\n')
    assert ":1: a record is a JSON object" in refused(tmp_path, b"[]\n")
    assert ":1: not JSON" in refused(tmp_path, b"\xef\xbb\xbf{}\n")
    assert ":1: holds no record" in refused(tmp_path, b"\n\n")


def test_files_that_are_no_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(reader.RecordError, match="No such file or directory; `lsmlab run`"):
        reader.read(tmp_path)
    os.mkfifo(tmp_path / "records.ndjson")
    with pytest.raises(reader.RecordError, match="not a regular file"):
        reader.read(tmp_path)
    os.unlink(tmp_path / "records.ndjson")
    with open(tmp_path / "records.ndjson", "wb") as stream:
        stream.truncate(reader.FILE_BYTES_MAX + 1)
    with pytest.raises(reader.RecordError, match="above the limit"):
        reader.read(tmp_path)
    monkeypatch.setattr(reader, "LINE_BYTES_MAX", 100)
    fixtures.write(tmp_path, [fixtures.record("baseline", "workloada", 0)])
    with pytest.raises(reader.RecordError, match=":1: line is above 100 bytes"):
        reader.read(tmp_path)


def test_command_line_answers_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "records.ndjson").write_text('{"schema":1,"\x1b[31m":NaN}\n')
    for command in ("table", "report", "plots", "speed"):
        assert cli.main([command, str(tmp_path)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and "records.ndjson:1: " in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["records.ndjson"]
    assert cli.main(["dance", str(tmp_path)]) == 2
    assert cli.main(["--help"]) == 0


def test_folders_with_any_name(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / os.fsdecode(b"not \xff UTF-8\n")
    for command in ("table", "report", "plots"):
        assert cli.main([command, str(folder)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    fixtures.write(folder, [fixtures.record("baseline", "workloada", 0)])
    for command in ("table", "report", "plots"):
        assert cli.main([command, str(folder)]) == 0
    (folder / "records.ndjson").write_text("{}\n")
    assert cli.main(["table", str(folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
