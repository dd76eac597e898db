"""Sentences of the page that no number decides."""

from __future__ import annotations

# how hyper-parameters were chosen; nothing on the page may have been chosen on test TMs
CHOICE = (
    "Constants were chosen by back-tests on the training part: its last week (Abilene 16, GÉANT 11) and, for the "
    "half-life, also the week two before that, every eighth TM, estimated by models trained on what is before; "
    "`python -m benchmarks.backtest_learned` repeats what was compared. They are one set for both networks. Projected, "
    "with half-lives of none / 56 / 28 / 14 days, the last training week has .184 / .174 / .174 / .176 on Abilene "
    "(gaussian .181) and .216 / .220 / .215 / .215 on GÉANT (gaussian .283); the week two before, with none / 28 days, "
    ".182 / .181 and .191 / .188 (`--only half-life --back 1 3 --seed 3`). The idea to weigh TMs by age "
    "came from an earlier table of "
    "drift and recency, hence from the test weeks; an early version of the inversion had been looked at on 96 TMs of "
    "each test week. Of the generators, width, steps, scales and whitening were chosen by the measures of the "
    "synthesis benchmark with seed 7, which has no part in its tables and needs no test TMs. The same was tried for "
    "the rivals: flows of equal scale suit the VAE (the default now) and, on balance, not the WGAN-GP (correlation "
    ".063 instead of .103 and MMD 3.0 instead of 10.3 on GÉANT, worse on Abilene)."
)
# what was tried where a published number is missed, and the evidence for the cause: data set to text
MISSED: dict[str, str] = {}

TITLE = "# DDPM-TME reproduced: estimation and synthesis by diffusion, VAE and WGAN-GP"
MADE = """Made by `{command}`; every number comes from the jobs of that command or, for methods without
learning, from the code of `odflow benchmark estimation`. *not run* stands where a job is missing."""
PROTOCOL = """## Protocol

- Data, split and metrics as in Yuan et al. 2023: Abilene weeks 1 to 16 for training and week 17 for testing, GÉANT
  weeks 1 to 11 and 12; loads are A x of the true test TMs, without noise. TRE(t) = sum_i |x - x̂| / sum_i x,
  SRE(i) = sum_t |x - x̂| / sum_t x, over all flows, the diagonal included, unless a table says otherwise.
- All test TMs are scored, those that the source flags as glitches too, as in [estimation](estimation.md). Flagged TMs
  (22 of GÉANT, none of Abilene) are left out of what learned methods train on.
- *own* is what the generator says after the search of its noise; *projected* is the same brought onto the loads by
  relative entropy (KL). Both come from one inversion.
- ± is the standard deviation over the seeds (divisor n - 1); a seed decides the training and the starts of the
  search."""
RMSE = (
    "RMSE is in Mbit/s; published RMSE (in parentheses) is in a scale of the paper's own and cannot be compared. "
    "Published rows were not run again. Rows in italics know test TMs and only show what a better prior would be worth."
)
WINDOWS = """Mean TRE of the methods by what they are trained on, all else equal: the last weeks of the training part
only, or all of it; in these columns every TM counts alike, as in the paper. In the column *by age*, the default, the
part of a TM in the training falls to half with every {half_life:g} days of age."""
ABLATIONS = """What parts of the method are worth: ddpm-tme trained on all weeks, seed {seed}, the trained model is the
same in all rows; every {thin}th test TM. *start-only* moves x_T alone without injected noise (eta = 0), as the
published code does; *no-prior* is algorithm 2 as printed, without a weight on unlikely noises; *four-starts* is the
mean over the four nearest starts."""
FULL = """The published sizes, where they are known: for a GPU (`python -m benchmarks ddpm-tme --full --device cuda`),
or for hours of a CPU. All other tables of this page are of the configurations for two CPU cores, unless they say
otherwise."""
COSTS = """Seconds are wall-clock, one process. *starts* decodes the noise sets, *optimise* chooses among them and moves
the noises, *week* is all of the estimation. A step moves all noises of one batch. Memory is the peak of the whole
process, the data included."""
PAPER_STEP_S, PAPER_BATCH, PAPER_HOURS = 53.0, 144, 62.0
