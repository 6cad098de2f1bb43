"""Samplers that never repeat themselves.

Two samplers with one seed propose the same points, and a continued study repeats its start.
So the sampler is built anew before each ask, from the sweep's seed and the number of the trial
that is asked for: every worker and every continued run gets points of its own.
"""

from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from pipeline.config import SearchConfig
from pipeline.core.trial import derived_seed


def build_sampler(search: SearchConfig, number: int) -> BaseSampler:
    """Return the sampler that proposes trial ``number``."""
    seed = derived_seed("sampler", search.seed, number)
    if search.sampler == "random":
        return RandomSampler(seed=seed)
    # With several objectives TPE would look at each parameter alone unless told otherwise; the
    # groups are the parameters that exist together (a third layer's, say). The constant liar
    # keeps workers that ask at the same time from trying the same thing.
    return TPESampler(
        seed=seed,
        n_startup_trials=search.startup_trials,
        multivariate=True,
        group=True,
        constant_liar=True,
    )
