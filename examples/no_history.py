"""My own network, no history: from a CSV topology to simulated traffic, counters and loads.

python examples/no_history.py              four routers in a ring, made up
python examples/no_history.py links.csv    yours
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import odflow as of

LINKS = """id,source,target,capacity,metric
A->B,A,B,10e9,10
B->A,B,A,10e9,10
B->C,B,C,10e9,10
C->B,C,B,10e9,10
C->D,C,D,10e9,10
D->C,D,C,10e9,10
D->A,D,A,10e9,25
A->D,A,D,10e9,25
"""


def main(links: Path) -> None:
    network = of.Network.read(links)
    simulator = of.BackboneSimulator(network, of.BackboneConfig(weeks=1, total=10e9))
    traffic = simulator.run(seed=0)  # (time, origin, destination), bit/s
    routing = simulator.epochs(seed=0)  # links fail and are repaired
    polls, interfaces, _ = of.CounterSampler(loss=0.01, wraps=0.2).sample(routing.loads(traffic), network, seed=0)
    loads = of.counters_to_loads(polls, interfaces, interval="15min", tolerance=0.05)

    print(network)
    print(f"{traffic.sizes['time']} traffic matrices, {traffic.sum(('origin', 'destination')).mean() / 1e9:.1f} Gbit/s")
    print(
        f"{len(routing.routings)} routings, {len(polls):,} polls, {loads.sizes['time']} x {loads.sizes['link']} loads"
    )
    for world in of.randomize(simulator, of.BackboneRandomization(), n=3):
        busiest = routing.loads(world.traffic).max("time").max()
        print(f"world {world.seed}: busiest link {float(busiest) / 1e9:.1f} Gbit/s")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(Path(sys.argv[1]))
    else:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "links.csv"
            file.write_text(LINKS, encoding="utf-8")
            main(file)
