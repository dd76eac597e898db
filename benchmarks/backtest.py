"""Rolling back-tests that chose the estimators' constants: ``python -m benchmarks.backtest``.

Each week of Abilene 8-16 and GEANT 5-11 is estimated from the weeks before; the test weeks are not
touched. The constants of ``GaussianPosterior`` are those with the lowest mean TRE over both networks;
those of ``StudentTPosterior`` are the same.
"""

from __future__ import annotations

import odflow as of

WEEKS = {"abilene": (2016, range(8, 17)), "geant": (672, range(5, 12))}

TRIED: list[of.GaussianPosterior | of.KLProjection] = [
    of.StudentTPosterior(),
    *(of.StudentTPosterior(freedom=freedom) for freedom in (2.0, 4.0)),
    *(of.StudentTPosterior(rounds=rounds) for rounds in (1, 2, 5)),
    of.StudentTPosterior(correlation=0.2),
    of.StudentTPosterior(pooling=0.7),
    of.StudentTPosterior(floor=0.2),
    of.GaussianPosterior(),
    of.GaussianPosterior(weeks=2),
    of.GaussianPosterior(weeks=2, correlation=0.2),
    of.GaussianPosterior(correlation=0.2),
    of.GaussianPosterior(correlation=0.3),
    *(
        of.GaussianPosterior(correlation=0.2, pooling=pooling, floor=floor, half_life=half_life)
        for pooling in (0.3, 0.5)
        for floor in (0.2, 0.35)
        for half_life in ("12h", "25h")
    ),
    *(of.KLProjection(half_life=half_life) for half_life in ("6h", "12h", "25h", "50h")),
]


def back_test(estimator: of.GaussianPosterior | of.KLProjection, name: str) -> float:
    """Mean TRE over the weeks, each estimated from those before it."""
    data = {"abilene": of.data.abilene, "geant": of.data.geant}[name]()
    rows, weeks = WEEKS[name]
    errors = []
    for week in weeks:
        past, now = data.train[: (week - 1) * rows], data.train[(week - 1) * rows : week * rows]
        found = estimator.fit(past).estimate(data.routing.loads(now), data.routing)
        errors.append(float(of.evaluate.tre(now, found).mean()))
    return sum(errors) / len(errors)


def main() -> None:
    print("abilene   geant    mean  estimator")
    for estimator in TRIED:
        a, g = (back_test(estimator, name) for name in WEEKS)
        print(f"{a:7.4f} {g:7.4f} {(a + g) / 2:7.4f}  {estimator}", flush=True)


if __name__ == "__main__":
    main()
