"""``sweetspot schedule``: what makes a scheduler run a sweep regularly."""

import os
import shutil
import sys
from datetime import datetime
from pathlib import Path

from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.config import (
    PROJECT_ROOT,
    URL_VARIABLE,
    Config,
    KubernetesSchedule,
    identity_hash,
    identity_parts,
    program,
)
from pipeline.core.errors import ConfigurationError
from pipeline.measuring.backends import VARIABLE

FLAGS = ("--install",)
NAMES = 0

#: Variables a run needs and that are no secrets: a scheduler starts with an empty environment.
_VARIABLES = (
    "SWEETSPOT_DATA_DIR", "KERAS_HOME", "SLURM_CONF", VARIABLE,
    "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH", "MLFLOW_TRACKING_AUTH",
    "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "PGSSLROOTCERT", "PGPASSFILE",
)  # fmt: skip
#: A proxy's address may hold a password.
_SECRETS = ("SWEETSPOT_STORAGE_URL", URL_VARIABLE, "PGPASSWORD", "HTTPS_PROXY", "https_proxy")
#: What MLflow logs in with where the tracking store is a server, and where that keeps its files.
_LOGIN = (
    "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
)  # fmt: skip


def run(line: CommandLine) -> int:
    """Print the entry for the sweep that the overrides describe; ``--install`` installs it."""
    config = compose(line)
    if config.notify.url is not None:
        raise ConfigurationError(
            "notify.url would stand in the schedule for others to read; put it into a file of "
            "your own and name that with notify.url_file"
        )
    words = tuple(word for word in (*line.hydra, *line.overrides) if not _is_schedule(word))
    if isinstance(config.schedule, KubernetesSchedule):
        return _kubernetes(config, config.schedule, words, install="--install" in line.flags)
    return _table(config, words, install="--install" in line.flags)


def _is_schedule(word: str) -> bool:
    return word.lstrip("+~").partition("=")[0].partition(".")[0] == "schedule"


def _kubernetes(
    config: Config, schedule: KubernetesSchedule, words: tuple[str, ...], *, install: bool
) -> int:
    from pipeline.data.loading import check_settings
    from pipeline.launching.kubernetes import cron_job

    check_settings(config.data)
    if install:
        raise ConfigurationError(
            f"--install is for cron and slurm; for Kubernetes: {program()} schedule … | kubectl "
            "apply -f -"
        )
    # Each pod settles what is auto for itself, and several answers would be several sweeps.
    if config.data.name == "auto":
        raise ConfigurationError(
            "schedule=kubernetes needs the images' name, such as data=fashion_mnist: data=auto "
            "would be what each pod finds, and nobody knows that here"
        )
    if config.training.precision == "auto":
        _say(
            "training.precision=auto is float32 here, because the pods cannot be asked from this "
            "machine; with GPUs training.precision=mixed_bfloat16 (or mixed_float16) is faster on "
            "most"
        )
        words = (*words, "training.precision=float32")
    # Nobody knows the images here, so the name is no sweep's: that of the question alone.
    question = identity_hash(identity_parts(config, ""))[:6]
    name = config.sweep_name or f"{config.data.name}-{config.space.name}-{question}"
    print(cron_job(name, words, schedule), end="")
    return 0


def _table(config: Config, words: tuple[str, ...], *, install: bool) -> int:
    from pipeline.launching.cluster import settled_precision
    from pipeline.launching.planning import plan_sweep
    from pipeline.launching.schedule import ScheduledSweep, crontab_entry, scrontab_entry
    from pipeline.launching.schedule import install as install_entry

    _check_launch(config)
    for variable in _secrets(config):
        if variable in os.environ:
            _say(f"{variable} is set here and a schedule does not hold it: it is, or has, a secret")
    plan = plan_sweep(settled_precision(config, _say), _say)
    name = plan.config.sweep_name
    assert name is not None, "a plan has a name"
    sweep = ScheduledSweep(
        sweep=name,
        when=config.schedule.when,
        words=words,
        project=PROJECT_ROOT,
        python=Path(os.path.abspath(sys.executable)),
        environment=_environment(config),
    )
    if config.launch.kind == "slurm" and config.schedule.kind == "slurm":
        table = "scrontab"
        entry = scrontab_entry(sweep, config.launch, config.mlruns / f"schedule-{name}.log")
    else:
        table, entry = "crontab", crontab_entry(sweep)
    if install:
        done = install_entry(table, name, entry)
        _say(f"{'installed' if done else 'there already'}; {table} -e changes or removes it")
    else:
        print(entry, end="")
    _say(f"{name} runs next at {_next_time(config.schedule.when):%Y-%m-%d %H:%M}")
    return 0


def _environment(config: Config) -> dict[str, str]:
    """Return the variables that the line is to set."""
    found = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    sbatch = shutil.which("sbatch")
    if sbatch is not None and config.launch.kind == "slurm" and config.schedule.kind == "cron":
        folder = os.path.dirname(os.path.abspath(sbatch))
        if folder not in os.defpath.split(":"):  # which is cron's own
            found["PATH"] = f"{folder}:{os.defpath}"
    return found


def _secrets(config: Config) -> tuple[str, ...]:
    """Return the variables that a run of this sweep reads and a schedule must not hold."""
    tracking = config.tracking
    is_server = (tracking.uri or "").startswith(("http://", "https://"))
    return (*_SECRETS, *_LOGIN) if tracking.enabled and is_server else _SECRETS


def _check_launch(config: Config) -> None:
    if config.schedule.kind != "slurm":
        return
    if config.launch.kind != "slurm":
        raise ConfigurationError(
            "schedule=slurm starts a small job that submits the sweep's own jobs, so it needs "
            "launch=slurm"
        )
    if config.launch.follow:
        raise ConfigurationError(
            "schedule=slurm starts a small job that is over once it has submitted the sweep's own "
            "jobs, so it needs launch.follow=false"
        )


def _next_time(when: str) -> datetime:
    from cronsim import CronSim

    return next(CronSim(when, datetime.now()))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
