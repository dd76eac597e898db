"""Tables that commands write for other commands to read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from odflow.files import replacing

if TYPE_CHECKING:
    import pandas as pd


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write polls or interfaces as ``odflow counters`` reads them, times in UTC."""
    if "time" in frame:
        frame = frame.assign(time=np.datetime_as_string(frame["time"].to_numpy(), unit="ms", timezone="UTC"))
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False)


def write_rows(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write a table as CSV or Parquet, by the suffix."""
    import pandas as pd

    table = pd.DataFrame(list(rows))
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            table.to_csv(temporary, index=False)
        else:
            table.to_parquet(temporary, index=False)
