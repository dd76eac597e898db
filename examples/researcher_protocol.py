"""The published protocol on Abilene and GÉANT, with your own estimator beside those of odflow.

Needs the data sets: ``odflow data get abilene geant``, or ODFLOW_REAL_DATA set to the folder that has them.
"""

from dataclasses import dataclass

import odflow as of
from odflow.testing import check_estimator


@dataclass(kw_only=True)
class MyEstimator(of.KLProjection):
    """Yours goes here: fit(history, routing) -> self, estimate(loads, routing) -> TMs.

    This one takes the mean of the last week as prior, whatever the age within it.
    """

    half_life: str | None = None
    window: str | None = "7d"


def main() -> None:
    # does it keep what every estimator promises? labels, units, gaps, one snapshot at a time ...
    check_estimator(MyEstimator(), exact=True)

    estimators = {
        "gravity": of.Gravity(),
        "gravity+kl": of.KLProjection(prior="gravity"),
        "mine": MyEstimator(),
        "gaussian": of.GaussianPosterior(),
    }
    for load in (of.data.abilene, of.data.geant):
        try:
            data = load()
        except of.OdflowError as error:
            print(error)
            continue
        print(data)
        # as published: noise-free loads A x of the last week, everything before it is history
        loads = data.routing.loads(data.test)
        for name, estimator in estimators.items():
            estimate = estimator.fit(data.train, data.routing).estimate(loads, data.routing)
            found = of.evaluate.score(data.test, estimate)
            print(
                f"  {name:12} TRE mean {found.all.tre.mean:.3f}, without the diagonal {found.off_diagonal.tre.mean:.3f}"
            )


if __name__ == "__main__":
    main()
