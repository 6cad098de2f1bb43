"""A sweep on a Slurm cluster, from the login node: set up, submitted once, followed."""

import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import PROJECT_ROOT, URL_VARIABLE, Config, SlurmLaunch, command
from pipeline.core.errors import SIGNAL_STATUS, SweetspotError
from pipeline.launching.holder import SweepBusy
from pipeline.launching.peers import Peer
from pipeline.launching.planning import SweepPlan, set_up
from pipeline.launching.presence import alone
from pipeline.launching.running_worker import last_line
from pipeline.launching.sbatch import LOGS, SweepArray, obeyed, sbatch_text
from pipeline.launching.sessions import Sessions
from pipeline.launching.slurm import (
    Job,
    SlurmError,
    check_lines,
    check_moving,
    jobs_of,
    submit,
    summarise,
)
from pipeline.reporting.files import write_atomically
from pipeline.search.opening import open_storage

SCRIPT = "array.sbatch"
_DISPLAY_SECONDS = 1.0
#: Every question costs the cluster's controller something.
_ASK_SECONDS = 5.0
#: How long jobs that are ending are waited for before they count as gone.
_SETTLE_SECONDS = 90.0
#: How long the controller may be silent before we stop following; the jobs do not mind.
_SILENCE_SECONDS = 600.0


def settled_precision(config: Config, say: Callable[[str], None]) -> Config:
    """Return the configuration with a precision that does not depend on this machine's GPU.

    ``training.precision=auto`` asks the machine it is on, and a login node does not have the
    GPUs of the nodes.
    """
    launch, training = config.launch, config.training
    if launch.kind != "slurm" or not launch.gpus or training.precision != "auto":
        return config
    say(
        "training.precision=auto is float32 here, because the GPUs of the jobs cannot be asked "
        "from this machine; training.precision=mixed_bfloat16 (or mixed_float16) is faster on most"
    )
    settled = training.model_copy(update={"precision": "float32"})
    return config.model_copy(update={"training": settled})


def script_of(plan: SweepPlan) -> str:
    """Return the batch script of a plan.

    Raises
    ------
    ConfigurationError
        Something in it cannot be written into a script.
    """
    config = plan.config
    assert isinstance(config.launch, SlurmLaunch) and config.sweep_name is not None
    check_lines(config.launch.setup)
    array = SweepArray(
        sweep=config.sweep_name,
        mlruns=config.mlruns,
        project=PROJECT_ROOT,
        # Not resolved: the interpreter of a virtual environment is a link, and where it lies
        # says what is installed.
        python=Path(os.path.abspath(sys.executable)),
        launch=config.launch,
    )
    return sbatch_text(array)


@dataclass(kw_only=True)
class ClusterSweep:
    """Submits a sweep's jobs and follows them.

    Parameters
    ----------
    plan
        Its ``config.launch`` is a ``SlurmLaunch``.
    say
        Prints one line to the user.
    show
        Called about once a second while jobs run.
    patient
        Whether to follow jobs that are there already; else ``SweepBusy`` is raised. Who does not
        is a scheduler, and waits instead for a storage server that is away.
    """

    plan: SweepPlan
    say: Callable[[str], None]
    show: Callable[[], None]
    patient: bool = True
    #: Whether the sweep has ended without a job that has told of it.
    ended: bool = False
    #: Whether jobs are left to themselves, the last of which will tell.
    is_left: bool = False

    def run(self) -> int | None:
        """Submit what is needed, and follow it where that is asked for.

        Returns
        -------
        int or None
            The exit status; None where the jobs are on their way and nobody follows them.

        Raises
        ------
        SlurmError
            Slurm refuses the jobs, holds all that are left, or does not answer.
        SweepBusy
            There are jobs already, and nobody wants to follow them.
        """
        config = self.plan.config
        assert isinstance(config.launch, SlurmLaunch)
        script = script_of(self.plan)
        began = time.time()
        with alone(config.sweep_dir, "submit.lock"):
            # Who only looks at jobs that go on has nothing to tell of.
            self.is_left = self.patient
            jobs = self._settled_jobs()
            check_moving(str(config.sweep_name), jobs)
            if jobs:
                busy = (
                    f"{config.sweep_name} is on the cluster already: {summarise(jobs)}; nothing "
                    "more was submitted"
                )
                if not self.patient:
                    raise SweepBusy(busy)
                self.say(busy)
            else:
                self.is_left = False
                self._set_up()
                status = self._verdict()
                if status is not None:
                    return status
                path = config.sweep_dir / SCRIPT
                write_atomically(path, script)
                number = submit(path, obeyed(_environment(config), script))
                self.say(
                    f"submitted job {number}: {config.launch.workers} "
                    f"{'worker' if config.launch.workers == 1 else 'workers'} for "
                    f"{config.sweep_name}; scancel {number} stops them"
                )
        if not config.launch.follow:
            self.say(f"{command(config, 'status', str(config.sweep_name))} shows how far it is")
            return None
        return self._follow(began)

    def _set_up(self) -> None:
        storage = open_storage(self.plan.config, patient=not self.patient)
        self.plan = set_up(self.plan, storage)
        (self.plan.config.sweep_dir / LOGS).mkdir(exist_ok=True)

    def _supervisor(self) -> Peer:
        # Whoever follows has heard at the beginning whether there is a storage server.
        return Peer(plan=self.plan, say=self.say, show=self.show, patient=False, trains=False)

    def _jobs(self, *, was_seen: bool = False) -> list[Job]:
        config = self.plan.config
        assert config.sweep_name is not None
        return jobs_of(config.sweep_name, config.sweep_dir, was_seen)

    def _settled_jobs(self) -> list[Job]:
        """Return the jobs once none is only ending: it may come back to the queue, or vanish."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        jobs = self._jobs()
        while jobs and all(job.is_leaving for job in jobs) and time.monotonic() < deadline:
            time.sleep(_DISPLAY_SECONDS)
            jobs = self._jobs(was_seen=True)
        return [job for job in jobs if not job.is_leaving]

    def _follow(self, began: float) -> int:
        try:
            self._wait()
        except KeyboardInterrupt:
            self.say("The jobs go on without this terminal; the same command follows them again.")
            raise
        status = self._verdict(began)
        if status is None:
            self.ended = not self._is_told(began)
            self.say(
                f"The jobs of {self.plan.config.sweep_name} are over before it is complete; "
                f"{self._last_words()}. The same command goes on."
            )
            return 1
        return status

    def _verdict(self, began: float = math.inf) -> int | None:
        """Return a sweep's exit status, see ``Peer.verdict``; what is due at its end is done."""
        status = self._supervisor().verdict(began)
        sessions = Sessions.read(self.plan.config.sweep_dir)
        is_due = sessions.open_since is not None or not sessions.is_concluded
        if status is not None and is_due:
            supervisor = self._supervisor()
            supervisor.run()  # whoever was to do it was cancelled
            self.ended = supervisor.ended
        return status

    def _is_told(self, began: float) -> bool:
        """Whether a job has ended the session since, as one does that was not told to leave."""
        sessions = Sessions.read(self.plan.config.sweep_dir)
        status = sessions.exit_status
        return sessions.last_ended > began and status is not None and status <= SIGNAL_STATUS

    def _last_words(self) -> str:
        folder = self.plan.config.sweep_dir / LOGS
        # Logs are appended to; one that is older than the script is an earlier submission's.
        submitted = (self.plan.config.sweep_dir / SCRIPT).stat().st_mtime
        written = {path: path.stat().st_mtime for path in folder.glob("slurm-*.log")}
        last = max(written, key=written.__getitem__, default=None)
        if last is None or written[last] < submitted:
            return f"they have left no log in {folder}"
        return f"the end of {last}: {last_line(last)}"

    def _wait(self) -> None:
        """Show the sweep until it has no job any more."""
        said, asked, answered = "", -_ASK_SECONDS, time.monotonic()
        while True:
            now = time.monotonic()
            if now - asked >= _ASK_SECONDS:
                asked = now
                try:
                    jobs = self._jobs(was_seen=True)
                except SlurmError:
                    if now - answered > _SILENCE_SECONDS:
                        self.is_left = True
                        raise
                else:
                    answered = now
                    if not jobs:
                        return
                    if not self.patient:  # nobody is there to release them
                        check_moving(str(self.plan.config.sweep_name), jobs)
                    if (news := summarise(jobs)) != said:
                        said = news
                        self.say(f"{self.plan.config.sweep_name}: {news}")
            with suppress(SweetspotError):  # to see how it goes is no reason to end it
                self.show()
            time.sleep(_DISPLAY_SECONDS)


def _environment(config: Config) -> dict[str, str]:
    """Return the variables of the jobs: ours, and the webhook that no file may hold."""
    url = config.notify.url
    # Inside a job, as scrontab's, Slurm's variables speak of that job's size, not of the array's.
    inside = "SLURM_JOB_ID" in os.environ
    ours = {
        name: value
        for name, value in os.environ.items()
        if not (inside and name.startswith("SLURM_") and name != "SLURM_CONF")
    }
    return ours | ({} if url is None else {URL_VARIABLE: url.get_secret_value()})
