"""The results package on files of `lsmlab simulate`."""

import json
from pathlib import Path

import pytest
from lsmlab_results import cli


def _sample(user: float, **more: object) -> dict:
    levels = [{"level": i, "bytes": user / 4**i, "written_bytes": user} for i in range(3)]
    return {"phase": "load" if user < 3e9 else "write", "user_bytes": user, "written_bytes": 3 * user,
            "space_amplification": 1.2, "seek_runs": 5, "levels": levels, **more}  # fmt: skip


def _write(folder: Path, lines: list) -> Path:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / "simulation.ndjson").write_text(text, encoding="utf-8")
    return folder


HEAD = {"simulation": 1, "title": "tiered <b>$x$</b>"}


def test_draws(tmp_path: Path) -> None:
    _write(tmp_path, [HEAD, *(_sample(i * 10**9) for i in range(8))])
    assert cli.main(["simulation", str(tmp_path)]) == 0
    first = (tmp_path / "plots" / "simulation.svg").read_bytes()
    assert b"<svg" in first
    assert (tmp_path / "plots" / "simulation.png").stat().st_size > 5000
    assert cli.main(["simulation", str(tmp_path)]) == 0
    assert (tmp_path / "plots" / "simulation.svg").read_bytes() == first


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], ":1: not the head"),
        ([{"simulation": 2}], ":1: not the head"),
        ([HEAD], ":2: holds no sample"),
        ([HEAD, "{"], ":2: not JSON"),
        ([HEAD, "[1]"], ":2: not an object"),
        ([HEAD, "[" * 100_000], ":2: not JSON"),
        ([HEAD, _sample(1, levels=3)], ":2: levels is not a list"),
        ([HEAD, _sample(1, seek_runs=float("nan"))], ":2: seek_runs is nan"),
        ([HEAD, _sample(1), _sample(1, written_bytes="x")], ":3: written_bytes is x"),
    ],
)
def test_bad_files(tmp_path: Path, capsys: pytest.CaptureFixture, lines: list, says: str) -> None:
    assert cli.main(["simulation", str(_write(tmp_path, lines))]) == 2
    shown = capsys.readouterr().err
    assert f"simulation.ndjson{says}" in shown
    assert shown.count("\n") == 1


def test_missing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["simulation", str(tmp_path)]) == 2
    assert "lsmlab simulate --out DIR" in capsys.readouterr().err
