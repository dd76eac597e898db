"""Words of the page."""

TITLE = """# Sim-MSTNet and its rivals: forecasts from little history

Made by `python -m benchmarks sim-mstnet`; rivals' settings by `python -m benchmarks.sim_mstnet.tune`; the network that
comes with odflow by `python -m odflow.forecast.pretrained FILE` (1,200 simulated worlds, seed 0, no real data).
"""
PROTOCOL = """How it was measured:

- WAPE: sum of absolute errors over sum of traffic, mean over services (tasks); the MAE of each task relative to its
  mean traffic. Two leads: one interval, and *far*, 12 intervals (C2TM: 24).
- Targets: the test part (the last fifth; C2TM two days), every n-th interval where there are more than 1,500; the same
  for all methods. Forecasts know the days of history before the first origin, and what has come since.
- All networks see the same windows of 24 intervals, have the same loss (pinball, quantiles .1, .5 and .9, relative to
  the error of the best simple forecast), batches of about 256 series, at most 300 steps, an early stop on the last
  sixth of the history. Rivals of single tasks are trained apart for each service. Learning rate and whether a rival
  sees values or differences from the mean day are chosen on validation parts (`benchmarks/sim_mstnet/tuned.json`); so
  are learning rate and penalty of Sim-MSTNet, once for all sets.
- *sim-mstnet* starts from the network that comes with odflow, learnt from simulated worlds, and is fine-tuned on the
  history, with a penalty on the way from where it started, and then goes back half of that way (weights of both are
  averaged); *zero-shot* is that network as it is. All seeds start from the same pre-trained network. *blend* mixes
  zero-shot with ewma, ridge per series and trees, by weights found in a back-test on the history.
- The ranges that worlds are drawn from are wide, but they were set in the knowledge of statistics of these very sets
  (`realism.md`), and one kind of event, plateaus, was added after errors on Abilene's validation part were looked at.
  Other networks are the real check.
- Intervals: 95 %, whole days drawn with replacement, and the seeds of each method. C2TM has two test days, both at a
  weekend after five working days: its intervals say little.
"""
AGAINST = """Differences of WAPE in points, with their 95 % intervals; *surely*: the interval is below 0.
"""
BARS = {
    "milan": ("10.2 / 14.5", "10.0 / 14.0"),
    "c2tm": ("22.2 / 34.6", "21.5 / 32.7"),
    "abilene": ("6.85 / 13.35", "6.4 / 12.5"),
    "geant": ("5.1 / 11.6", "4.95 / 11.2"),
}
BARS_ = """Bars are what experiments before this work reached with two days of history. For Abilene and GÉANT: mean over
ingress, egress and link loads. Two readings of *two days*: nothing else is known but what has come since; or models
learn from two days and then look back on the *whole past* before each origin, seven days for the seasonal mean. The
bars seem to be of the latter kind: on Milano their rivals, simple rules among them, were level with 14.5 far, and only
so does the seasonal EWMA come near that. GÉANT's bar is of other data: there the last value alone was at 5.1 / 16.0.
"""
PAIRS = (  # ablations and their controls
    ("no simulation", "sim-mstnet"),
    ("no simulation, no mixture", "sim-mstnet"),
    ("no simulation, no mixture", "no simulation"),
    ("no simulation, hard sharing", "no simulation"),
    ("no simulation, no task attention", "no simulation"),
    ("no simulation, single task", "no simulation"),
    ("no simulation, fixed loss weights", "no simulation"),
    ("no randomisation", "sim-mstnet"),
    ("real sets", "sim-mstnet"),
    ("no blending", "sim-mstnet"),
    ("plain fine-tuning", "sim-mstnet"),
    ("uniform weights", "sim-mstnet"),
    ("reweighted", "uniform weights"),
)
ABLATIONS_ = """## Ablations, two days of history

Each changes one thing; differences of WAPE in points to the control beside it, above 0 = worse than it.

- *no simulation*: trained from scratch on the history. Parts of the network are taken away from this one. On most sets
  it does better without its mixture of simple forecasts: what simulation is worth is the difference to the better.
- *no randomisation*: starts from a network that has learnt as long from as many worlds whose parameters are those of
  the simulators' presets; *real sets*: from one that has learnt from the training parts of all other real sets.
- *no blending*: the fine-tuned network itself; *plain fine-tuning*: that, and without the penalty.
- *uniform weights*: goes on learning from 200 more worlds before it is fine-tuned; *reweighted*: the same with weights
  of the worlds found by bilevel reweighting (cutting planes) on the history.
"""
COURSE = """Weights of the services' losses while the network learns from scratch on C2TM, five days:

![Losses and weights](sim-mstnet-weights.png)
"""
TRANSFER = """## Negative transfer, two days of history

Services that are forecast worse when learnt together than alone, by the same network from scratch. Without attention
nothing ties the branches of soft sharing together, so that these are single-task networks.
"""
COVERAGE = """## How often intervals of nominal 90 % hold the truth

Test part, zero-shot network, all history. Intervals as `odflow forecast` makes them: the quantiles that the network has
learnt, stretched by split conformal prediction, calibrated every day anew on forecasts of the last seven days (a third
of the history if that is less) that were known before. Asked: 87 to 93 %. Each lead by itself, and all leads together.
C2TM's test part is a weekend, its intervals are calibrated on the two working days before: the further ahead, the more
of its traffic falls below what these have shown. Width and CRPS are relative to the mean traffic.
"""
COSTS = """## Size and time on C2TM, two days of history

One thread; several jobs may have shared the machine.
"""
SETS_ = """## Data
"""
