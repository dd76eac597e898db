from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.traffic.telecom import full_day, write_day, write_grid

from odflow.cli import main
from odflow.errors import DataError, FormatError, OdflowError
from odflow.traffic.telecom_folder import check_days, city_files, city_folder

SQUARES = list(range(1, 101))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three days of Milano, one between them missing, one not whole."""
    monkeypatch.setenv("ODFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ODFLOW_REAL_DATA", str(tmp_path / "real"))
    place = tmp_path / "cache" / "milano"
    place.mkdir(parents=True)
    for day in (0, 1, 3):
        rows = [row for row in full_day(SQUARES, day) if day < 3 or row[1] % 144 >= 6]
        write_day(place / f"sms-call-internet-mi-2013-11-0{day + 1}.txt", rows)
    (place / "README.txt").write_text("not a day")
    return place


def test_what_is_there(folder: Path) -> None:
    found = city_files("milano")
    assert [str(day) for day in found.days] == ["2013-11-01", "2013-11-02", "2013-11-04"]
    text = f"{folder}: 3 of 62 days, 2013-11-01 to 2013-11-04, without 2013-11-03; no milano-grid.geojson"
    assert str(found).startswith(text)
    assert [(day.intervals, day.squares) for day in check_days(found)] == [(144, 100), (144, 100), (138, 100)]
    write_grid(folder / "milano-grid.geojson", range(1, 10_001), 100, 0.003)
    assert str(city_files("milano")).endswith("; milano-grid.geojson")
    write_grid(folder / "milano-grid.geojson", range(1, 10_000), 100, 0.003)
    with pytest.raises(FormatError, match=r"milano-grid\.geojson: has 9999 squares, expected 10000"):
        city_files("milano")


def test_the_real_data_folder_comes_first(folder: Path, tmp_path: Path) -> None:
    assert city_folder("milano") == folder
    (tmp_path / "real" / "milano").mkdir(parents=True)
    assert city_folder("milano") == tmp_path / "real" / "milano"


def test_what_to_do_by_hand(folder: Path) -> None:
    with pytest.raises(OdflowError) as caught:
        city_files("trento")
    for part in (
        "from https://doi.org/10.7910/DVN/QLCABU get sms-call-internet-tn-2013-11-01.txt",
        "from https://doi.org/10.7910/DVN/FZRVSX trentino-grid.geojson",
        f"put them into {folder.parent / 'trento'}, then run 'odflow data get trento' again",
    ):
        assert part in str(caught.value)


def test_files_that_are_wrong(folder: Path) -> None:
    first = folder / "sms-call-internet-mi-2013-11-01.txt"
    good = first.read_bytes()
    with first.open("ab") as file:
        file.write(b"1\t2\n")
    with pytest.raises(FormatError, match=rf"11-01\.txt:{144 * 100 + 1}: has 2 columns"):
        check_days(city_files("milano"))  # its first lines are right
    first.write_bytes(b"1\t2\n" + good)
    with pytest.raises(FormatError, match=r"11-01\.txt:1: has 2 columns"):
        city_files("milano")
    write_day(first, full_day([1], day=1))
    with pytest.raises(DataError, match=r"11-01\.txt: has the interval 2013-11-01T23:00 UTC, which is not of that day"):
        check_days(city_files("milano"))
    first.write_bytes(b"\x1f\x8b nonsense")
    with pytest.raises(FormatError, match=r"11-01\.txt: is damaged"):
        city_files("milano")
    first.with_name(first.name + ".gz").write_bytes(good)
    first.write_bytes(good)
    with pytest.raises(DataError, match=r"has sms.*01\.txt and sms.*01\.txt\.gz; keep one of them"):
        city_files("milano")


def test_on_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "get", "milano"]) == 0
    assert "3 of 62 days" in capsys.readouterr().out
    assert main(["data", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert (listed["milano"], listed["trento"]) == (str(folder), None)
    assert main(["data", "check", "milano"]) == 0
    assert "2013-11-04.txt: 138 of 144 intervals, 100 squares" in capsys.readouterr().out
    assert main(["data", "check", "milano", "--json"]) == 0
    assert np.sum([day["intervals"] for day in json.loads(capsys.readouterr().out)]) == 2 * 144 + 138
    assert main(["data", "get", "trento"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("odflow: error: trento: cannot be downloaded by odflow")
    assert error.count("\n") == 1
