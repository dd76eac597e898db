"""Back-tests that chose the constants of DDPM-TME and its rivals: ``python -m benchmarks.backtest_learned``.

The last training week (Abilene 16, GEANT 11), every eighth TM of it, is estimated by models trained on
the weeks before; the test weeks are not touched. About an hour on one core.
"""

from __future__ import annotations

import argparse

import torch
import xarray as xr

import odflow as of
from odflow.traffic.datasets import Dataset

WEEK = {"abilene": 2016, "geant": 672}
FULL_LATENT = {"abilene": 144, "geant": 512}
ESTIMATION = of.DiffusionConfig(steps=3000, marginals=0.0, latent=0, whiten=True)


def diffusions(name: str) -> dict[str, of.DiffusionConfig]:
    """Trainings that were compared; the first is the default of DDPM-TME."""
    return {
        "default": ESTIMATION,
        "marginals 1 (quantiles)": of.DiffusionConfig(steps=3000, marginals=1.0, latent=0, whiten=True),
        "latents in proportion": of.DiffusionConfig(steps=3000, marginals=0.0, latent=0, whiten=False),
        "all latents": of.DiffusionConfig(steps=3000, marginals=0.0, latent=FULL_LATENT[name], whiten=True),
    }


INVERSIONS: list[dict[str, float]] = [
    {},
    {"prior": 0.0},
    {"prior": 1e-3, "learning_rate": 0.1},
    {"prior": 6e-3},
    {"prior": 6e-4},
    {"learning_rate": 0.3},
    {"steps": 300},
    {"sampling_steps": 5},
]
RIVALS: list[dict[str, float]] = [
    {},
    {"prior": 0.0, "learning_rate": 0.05, "steps": 200},
    {"prior": 2e-3, "learning_rate": 0.2},
    {"prior": 2e-3, "learning_rate": 0.05},
    {"prior": 2e-2, "learning_rate": 0.2},
    {"prior": 2e-4, "learning_rate": 0.2},
    {"prior": 6e-3, "learning_rate": 0.1},
]


def parts(data: Dataset, name: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Training part without its last week, and every eighth TM of that; without flagged glitches."""
    past, now = data.train[: -WEEK[name]], data.train[-WEEK[name] :]
    return past[past["valid"].values], now[now["valid"].values][::8]


def show(words: str, estimator: of.DDPMTME | of.VAETME | of.WGANTME, data: Dataset, now: xr.DataArray) -> None:
    own, projected = estimator.stages(data.routing.loads(now), data.routing)
    errors = [float(of.evaluate.tre(now, x.drop_vars("stage")).mean()) for x in (own, projected)]
    print(f"  own {errors[0]:.4f}  projected {errors[1]:.4f}  {words}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--datasets", nargs="+", default=list(WEEK), choices=list(WEEK))
    options.add_argument("--threads", type=int, default=1)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    for name in chosen.datasets:
        data = {"abilene": of.data.abilene, "geant": of.data.geant}[name]()
        past, now = parts(data, name)
        for words, config in diffusions(name).items():
            print(f"{name}: diffusion, {words}", flush=True)
            model = of.TrafficDiffusion(config).fit(past)
            for fields in INVERSIONS if words == "default" else INVERSIONS[:1]:
                show(str(fields or "default"), of.DDPMTME(generator=model, **fields), data, now)  # type: ignore[arg-type]
        for generator, kind in ((of.TrafficVAE, of.VAETME), (of.TrafficWGANGP, of.WGANTME)):
            print(f"{name}: {generator.__name__}", flush=True)
            rival = generator().fit(past)
            for fields in RIVALS:
                show(str(fields or "default"), kind(generator=rival, **fields), data, now)


if __name__ == "__main__":
    main()
