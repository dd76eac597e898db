"""What if a link fails? The fullest link after every single failure, from link loads and a history.

The traffic is made up here; yours comes from ``odflow counters`` and ``of.read_loads``.
"""

import odflow as of
from odflow.network.failures import each_link
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic


def main() -> None:
    network = of.Network.from_topohub("sndlib/abilene", capacity=10e9)
    routing = of.Routing.shortest_path(network)
    traffic = plausible_traffic(network, PlausibleTraffic(weeks=3, interval="1h", total=25e9), seed=1)
    history, today = traffic[:336], traffic[336:360]

    posterior = of.StudentTPosterior().fit(history)
    found = of.whatif(routing.loads(today), routing, each_link(network), posterior, history=history)
    true = of.whatif(today, routing, each_link(network))

    print(f"{network.name}: the fullest link after every failure, at its peak")
    print(f"{'failed':26}{'fullest':18}{'before':>6}{'after':>7}{'from':>6}{'to':>5}{'in truth':>10}")
    for row in found.worst():
        real = float(true.after.sel(failure=row["failure"], link=row["link"], quantile=0.5))
        values = (row["before"], row["q0.5"], row["q0.05"], row["q0.95"], real)
        before, after, low, high, real = (value / row["capacity"] for value in values)
        print(f"{row['failure']:26}{row['link']:18}{before:6.0%}{after:7.0%}{low:6.0%}{high:5.0%}{real:10.0%}")


if __name__ == "__main__":
    main()
