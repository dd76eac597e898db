"""Tables that commands write for other commands to read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
