"""Files in the format of the Telecom Italia Big Data Challenge, made up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

MIDNIGHT = 1_383_260_400_000  # 2013-11-01 00:00 in Milano, 2013-10-31 23:00 UTC
STEP = 600_000
DAY = 144 * STEP

Row = tuple[object, ...]


def write_day(path: Path, rows: Sequence[Row], end: str = "\n") -> Path:
    """Rows of square, interval of the first day, country and five activities; ``None`` is an empty field."""
    lines = [(square, MIDNIGHT + int(str(step)) * STEP, *rest) for square, step, *rest in rows]
    path.write_bytes("".join("\t".join("" if x is None else str(x) for x in line) + end for line in lines).encode())
    return path


def full_day(squares: Sequence[int], day: int = 0) -> list[Row]:
    """A row for each square and interval: internet 1, two calls in."""
    return [(square, day * 144 + step, 39, None, None, 2, None, 1) for square in squares for step in range(144)]


def write_grid(path: Path, squares: Sequence[int], columns: int, side: float = 0.01) -> Path:
    """GeoJSON of squares of `side` degrees from 11 E, 46 N."""
    features = []
    for square in squares:
        row, column = divmod(square - 1, columns)
        west, south = 11 + column * side, 46 + row * side
        ring = [[west, south], [west + side, south], [west + side, south + side], [west, south + side], [west, south]]
        shape = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": {"cellId": square}, "geometry": shape})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path
