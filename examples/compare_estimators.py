"""Which estimator is best, and what is a history worth? On made-up traffic, so that the truth is known.

Two weeks of traffic matrices were measured; in the third there are only link loads.
"""

import odflow as of
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic


def main() -> None:
    network = of.Network.from_topohub("sndlib/nobel-germany", capacity=40e9)
    routing = of.Routing.shortest_path(network)
    traffic = plausible_traffic(network, PlausibleTraffic(weeks=3, interval="30min"), seed=0)
    history, truth = traffic[: 2 * 336], traffic[2 * 336 :]
    loads = routing.loads(truth)

    estimators = {
        "Gravity, no history": of.Gravity(),
        "Tomogravity, no history": of.Tomogravity(),
        "KLProjection, no history": of.KLProjection(prior="gravity"),
        "KLProjection, history": of.KLProjection(prior="history"),
        "GaussianPosterior, history": of.GaussianPosterior(),
    }
    print(f"{'':28}{'TRE':>6}{'TRE off-diag.':>15}{'SRE median':>12}{'link residual':>15}")
    for name, estimator in estimators.items():
        estimator.fit(None if "no history" in name else history, routing)
        estimate = estimator.estimate(loads, routing)
        found = of.evaluate.score(truth, estimate, loads=loads, routing=routing)
        print(
            f"{name:28}{found.all.tre.mean:6.3f}{found.off_diagonal.tre.mean:15.3f}"
            f"{found.all.sre.median:12.3f}{found.all.residual.mean:15.5f}"
        )


if __name__ == "__main__":
    main()
