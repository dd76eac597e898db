"""Your own network: links and link loads from CSV files, traffic matrices out.

python examples/own_network.py                               four routers in a ring, made up
python examples/own_network.py links.csv loads.csv tm.csv    yours; writes tm.csv
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
# Mbit/s, two intervals of five minutes; in:A is what enters the network at A, out:A what leaves it there
LOADS = """time,A->B,B->A,B->C,C->B,C->D,D->C,D->A,A->D,in:A,out:A,in:B,out:B,in:C,out:C,in:D,out:D
2026-01-05T12:00Z,790,580,580,450,380,320,170,190,1000,770,680,760,640,710,505,585
2026-01-05T12:05Z,830,609,610,473,399,336,178,200,1051,808,715,799,672,746,530,615
"""


def main(links: Path, loads: Path, output: Path | None, unit: str) -> None:
    network = of.Network.read(links)
    print(network)
    for problem in network.consistency_check():
        print(problem)

    # traffic follows the shortest paths by metric, split evenly over equal ones
    routing = of.Routing.shortest_path(network)
    measured = of.read_loads(loads, unit=unit)
    matrices = of.KLProjection(noise=0.01).estimate(measured, routing)

    mean = matrices.mean("time").to_series().sort_values(ascending=False)
    print("Largest demands, Mbit/s:")
    for (origin, destination), demand in mean.head(5).items():
        print(f"  {origin} -> {destination}  {demand / 1e6:6.0f}")
    if output is not None:
        of.write(matrices, output)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), unit="bit/s")
    else:
        with TemporaryDirectory() as folder:
            links, loads = Path(folder) / "links.csv", Path(folder) / "loads.csv"
            links.write_text(LINKS, encoding="utf-8")
            loads.write_text(LOADS, encoding="utf-8")
            main(links, loads, None, unit="Mbit/s")
