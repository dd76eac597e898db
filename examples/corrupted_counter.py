"""A counter lies by a factor of three: the estimate names it, leaves it out, and hardly suffers."""

import warnings

import odflow as of
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic

# R1 to R5 in a ring, with a short cut; all metrics 1
EDGES = [("R1", "R2"), ("R2", "R3"), ("R3", "R4"), ("R4", "R5"), ("R5", "R1"), ("R2", "R5")]


def main() -> None:
    nodes = [of.Node(f"R{k}") for k in range(1, 6)]
    ends = [*EDGES, *((b, a) for a, b in EDGES)]
    network = of.Network(nodes, [of.Link(f"{a}->{b}", a, b, capacity=10e9, metric=1.0) for a, b in ends])
    routing = of.Routing.shortest_path(network)
    traffic = plausible_traffic(network, PlausibleTraffic(weeks=2, interval="1h", total=20e9), seed=2)
    history, truth = traffic[:-24], traffic[-24:]

    loads = routing.loads(truth)
    wrong = loads.copy(deep=True)
    wrong.loc[{"link": "R2->R3"}] *= 3

    # without a look at the others, the estimate believes the counter
    for screen in (False, True):
        estimator = of.GaussianPosterior(screen=screen).fit(history)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimate = estimator.estimate(wrong, routing)
        for warning in caught:
            print("warning:", warning.message)
        tre = of.evaluate.score(truth, estimate).all.tre.mean
        print(f"screen={screen}: TRE {tre:.3f}")
    right = of.GaussianPosterior().fit(history).estimate(loads, routing)
    print(f"with the right counter: TRE {of.evaluate.score(truth, right).all.tre.mean:.3f}")

    # the same search on its own: which counters, when, and what they should have said
    found = of.reconcile(wrong, routing, prior=history)
    print(found.message)
    print(f"repaired: {float((found.loads / loads).sel(link='R2->R3').mean()):.3f} of the true load")


if __name__ == "__main__":
    main()
