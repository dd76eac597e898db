"""Which data a model was trained on."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr


def data_hash(array: xr.DataArray) -> str:
    """SHA-256 of values, labels and units, as hexadecimal digits.

    Values count as float64 and times as nanoseconds, so the format that the array was read from
    makes no difference.
    """
    interval = array.attrs.get("interval_s")
    about = {
        "sizes": [[str(dim), size] for dim, size in array.sizes.items()],
        "units": str(array.attrs.get("units")),
        "interval_s": None if interval is None else float(interval),
        "labels": {str(dim): _texts(array[dim].values) for dim in array.dims if dim in array.coords},
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(array.values, dtype="<f8").data)
    return digest.hexdigest()


def _texts(labels: np.ndarray) -> list[str]:
    if labels.dtype.kind == "M":
        return [str(value) for value in labels.astype("datetime64[ns]").astype(np.int64)]
    return [str(value) for value in labels]
