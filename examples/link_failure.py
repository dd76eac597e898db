"""What if a link fails? Loads after every single failure, from a traffic matrix and a routing.

The traffic is made up here; yours comes from ``odflow estimate`` and ``of.read_demands``.
"""

import warnings

import odflow as of
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic


def main() -> None:
    network = of.Network.from_topohub("sndlib/abilene", capacity=10e9)
    routing = of.Routing.shortest_path(network)
    traffic = plausible_traffic(network, PlausibleTraffic(weeks=1, interval="1h", total=25e9), seed=1)
    busy_hour = traffic.sel(time=[traffic.sum(("origin", "destination")).idxmax("time").values])

    warnings.simplefilter("ignore", of.errors.UnreachableWarning)  # pairs that are cut off are counted below
    rows = []
    for link in network.links:
        back = next(k.id for k in network.links if (k.source, k.target) == (link.target, link.source))
        if link.id > back:  # both directions fail together: look at each pair once
            continue
        after = routing.without(links=[link.id, back])
        loads = after.loads(busy_hour).isel(time=0)  # the failed link keeps its row, with load 0
        usage = {k.id: float(loads.sel(link=k.id)) / k.capacity for k in network.links}
        worst = max(usage, key=lambda name: usage[name])
        rows.append((usage[worst], link.id, worst, len(after.unreachable)))

    print(f"{network.name}, busy hour: {busy_hour['time'].values[0].astype('datetime64[m]')} UTC")
    print(f"{'failed':18}{'then busiest':18}{'usage':>6}{'pairs cut off':>15}")
    for usage, failed, worst, cut in sorted(rows, reverse=True):
        print(f"{failed:18}{worst:18}{usage:6.0%}{cut:15}")


if __name__ == "__main__":
    main()
