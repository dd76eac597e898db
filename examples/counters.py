"""From SNMP octet counters to link loads, with the trouble that real polls have.

The polls are simulated, so that we know what the truth was; yours come from a CSV or Parquet file
with ``of.read_polls`` (columns: docs/counters.md), and the map from ``of.read_interfaces``.
"""

import numpy as np

import odflow as of
from odflow import labels
from odflow.traffic.counters import quality_summary
from odflow.traffic.polling import simulate_polls


def main() -> None:
    # a day of five-minute loads of two links, bit/s
    time = np.datetime64("2026-01-05", "ns") + np.arange(288) * np.timedelta64(300, "s")
    day = 1.5 + np.sin(2 * np.pi * np.arange(288) / 288)
    truth = labels.loads(np.outer(day, [2e8, 3e8]), time, ["R1->R2", "R2->R1"], 300)

    # polled every five minutes, up to 2 s early or late; lost, repeated and late answers, wraps, two restarts
    polls, interfaces, what = simulate_polls(
        truth, jitter_s=2, loss=0.02, duplicates=0.01, late=0.01, wraps=1, resets=2, seed=3
    )
    print(polls.head(3).to_string(index=False))
    print(interfaces.to_string(index=False))
    print("trouble:", what.events["kind"].value_counts().to_dict())

    # 15-minute loads; a value counts as good if it is proven right to 2 %
    loads = of.counters_to_loads(polls, interfaces, interval="15min", tolerance=0.02)
    print(quality_summary(loads).query("intervals > 0").to_string())

    exact = truth.resample(time="15min").mean().sel(time=loads.time)
    error = np.abs(loads - exact) / exact
    print(f"largest error: {float(error.max()):.1%}; never beyond the stated bound:", end=" ")
    print(bool((np.abs(loads - exact) <= loads["bound"] + 1).where(loads.notnull(), True).all()))
    print(f"not measured: {float(loads.isnull().mean()):.1%}")


if __name__ == "__main__":
    main()
