"""REPETITA .demands: node numbers by the .graph file, errors that name the line."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odflow.errors import OdflowError
from odflow.traffic.files import read_demands

fuzz = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = "DEMANDS 3\nlabel src dest bw\ndemand_0 0 2 100\ndemand_1 2 0 7.5\ndemand_2 0 2 1\n"
KNOWN = {"nodes": ["x", "y", "z"], "start": "2024-01-01", "interval": "15min"}


def test_known_answer(tmp_path):
    path = tmp_path / "t.0000.demands"
    path.write_text(TEXT)
    tm = read_demands(path, **KNOWN)
    np.testing.assert_array_equal(tm.values, [[[0, 0, 101e3], [0, 0, 0], [7.5e3, 0, 0]]])
    assert tm["origin"].values.tolist() == ["x", "y", "z"]
    assert tm.attrs["interval_s"] == 900
    assert read_demands(path, **KNOWN, unit="bit/s").max() == 101
    renamed = read_demands(path, **KNOWN, rename={"x": "w"})
    assert renamed.sel(origin="w", destination="z").item() == 101e3


def test_start_may_be_any_date(tmp_path):
    path = tmp_path / "t.demands"
    path.write_text(TEXT)
    wanted = np.datetime64("2024-01-01T06:30")
    utc2 = timezone(timedelta(hours=2))
    for start in (wanted, datetime(2024, 1, 1, 8, 30, tzinfo=utc2), [wanted], "2024-01-01 08:30+02:00"):
        assert read_demands(path, **(KNOWN | {"start": start}))["time"].values[0] == wanted


def test_files_follow_each_other_by_number(tmp_path):
    for k in (10, 9, 8):
        (tmp_path / f"t.{k}.demands").write_text(f"DEMANDS\nlabel src dest bw\nd 0 1 {k}\n")
    tm = read_demands(tmp_path, nodes=["x", "y"], start="2024-01-01", interval="1h")
    assert tm.sel(origin="x", destination="y").values.tolist() == [8e3, 9e3, 10e3]
    assert tm["time"].values[2] == np.datetime64("2024-01-01T02:00")


def test_what_it_does_not_state_is_asked_for(tmp_path):
    path = tmp_path / "t.demands"
    path.write_text(TEXT)
    asked = {"nodes": "numbers its nodes; pass nodes=", "start": "pass start=", "interval": "pass interval="}
    for name, message in asked.items():
        with pytest.raises(OdflowError, match=message):
            read_demands(path, **{key: value for key, value in KNOWN.items() if key != name})


BAD = [
    ("DEMANDS 3", "demands 3", ":1: starts with 'demands 3', expected 'DEMANDS count'"),
    ("DEMANDS 3", "DEMANDS three", ":1: starts with 'DEMANDS three'"),
    ("DEMANDS 3", "DEMANDS 4", ": announces 4 demands and has 3; is it cut off?"),
    ("demand_1 2 0", "demand_1 3 0", ":4: demand 'demand_1': no node number 3 among 3"),
    ("demand_1 2 0", "demand_1 -1 0", ":4: demand 'demand_1': no node number -1"),
    ("demand_1 2 0", "demand_1 2", ":4: expected 'label src dest bw', found 'demand_1 2 7.5'"),
    ("7.5", "-7.5", ":4: demand 'demand_1': -7.5 cannot be traffic"),
    ("7.5", "much", ":4: demand 'demand_1' is 'much', expected a number"),
    ("100\n", "1e308\nx 0 2 1.7e308\n", ": demand 'x': inf cannot be traffic"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD, ids=[case[2] for case in BAD])
def test_bad_files_name_the_line(tmp_path, old, new, message):
    path = tmp_path / "t.demands"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(OdflowError) as caught:
        read_demands(path, **KNOWN)
    assert message.removeprefix(":").strip() in str(caught.value)


WORDS = ["DEMANDS", "label", "src", "0", "1", "9" * 30, "-1", "nan", "1e999", "\n", "²"]
PIECE = st.sampled_from(WORDS) | st.text(max_size=3)


@fuzz
@given(pieces=st.lists(PIECE, max_size=20), cut=st.integers(0, len(TEXT)))
def test_only_odflow_errors_escape(tmp_path, pieces, cut):
    path = tmp_path / "f.demands"
    path.write_text(TEXT[:cut] + " ".join(pieces) + TEXT[cut:], encoding="utf-8", errors="replace")
    try:
        tm = read_demands(path, **KNOWN)
    except OdflowError:
        return
    assert (tm.values >= 0).all()
