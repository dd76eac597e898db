"""How large the full configurations are, whether they were trained or not."""

from __future__ import annotations

from benchmarks.ddpm_tme.checks import titled
from benchmarks.ddpm_tme.collect import TRE, Found
from benchmarks.ddpm_tme.jobs import SYNTHESIS, Job
from benchmarks.ddpm_tme.running import Runner
from benchmarks.ddpm_tme.tables import NOT_RUN
from odflow.evaluate.learned import LEARNED, training_history
from odflow.evaluate.report import markdown_table
from odflow.evaluate.synthesis import GENERATORS
from odflow.generate.base import TrafficGenerator
from odflow.generate.config import GeneratorConfig


def full_table(runner: Runner, found: Found) -> str:
    """Parameters, batches and steps of the full configurations, and their results where they were trained."""
    headings = ("method", "data set", "parameters", "batch", "training steps", "own TRE", "projected TRE")
    rows = []
    for net in runner.settings.datasets:
        train = runner.data[net].train
        tms, flows = training_history(train, 0).sizes["time"], train.sizes["origin"] ** 2
        for method in LEARNED:
            estimator = runner.estimator(Job(net, method, full=True))
            assert isinstance(estimator.generator, GeneratorConfig)
            generator = estimator.generator_type(estimator.generator)
            values = [found.values(net, method, stage, TRE, full=True) for stage in ("own", "projected")]
            results = [f"{each[0]:.3f}" if each else NOT_RUN for each in values]
            rows.append([method, titled(net), *_size(generator, flows, tms), *results])
        for name in GENERATORS:
            generator = runner.generator(name, Job(net, SYNTHESIS, full=True))
            rows.append([f"{name} (synthesis)", titled(net), *_size(generator, flows, tms), "-", "-"])
    return markdown_table(headings, rows, left=2)


def _size(generator: TrafficGenerator, flows: int, tms: int) -> list[str]:
    parameters = sum(p.numel() for network in generator._networks(flows).values() for p in network.parameters())
    config = generator.config.for_rows(tms)
    return [f"{parameters / 1e6:.2f} M", str(config.batch), f"{config.steps:,}"]
