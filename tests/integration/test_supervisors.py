"""Supervisors that die, workers that are told to leave, and many that start at once."""

import os
import random
import signal
import time

import pytest

from pipeline.launching.worker import LEAVING_SECONDS

pytestmark = [pytest.mark.services, pytest.mark.soak, pytest.mark.timeout(3600)]

TRIALS, EPOCHS = 6, 240
WORDS = (
    "sweep", "data=digits", "data.limit=400", "measuring=quick", "search=random",
    "objective=macs", "search.rungs.enabled=false", "finalists=off", "search.max_retries=100",
    f"search.trials={TRIALS}", f"training.epochs={EPOCHS}", "launch.workers=2",
)  # fmt: skip
KILLS, TOLD = 5, 20
#: On a loaded machine.
MARGIN_SECONDS = 20.0


def check_running(process):
    assert process.poll() is None, "the sweep ended before: " + "".join(process.communicate())


def gone_after(processes, began):
    """Wait until the processes are gone; return the seconds since ``began``."""
    while any(os.path.exists(f"/proc/{number}") for number in processes):
        time.sleep(0.02)
        assert time.monotonic() - began < 60, f"{processes} are still there"
    return time.monotonic() - began


def test_killed_supervisors(command, account, storage, keep_campaign):
    storage, url = storage
    name = f"headless-{storage}"
    words = (*WORDS, f"storage={storage}", f"sweep_name={name}")
    chance = random.Random(name)
    seconds, lost = [], 0
    running = command.start(*words)
    for _ in range(KILLS):
        time.sleep(chance.uniform(3.0, 12.0))
        assert running.poll() is None, "the sweep was over before: " + "".join(
            running.communicate()
        )
        workers = command.workers()
        began = time.monotonic()
        running.kill()
        dead, running = running, command.start(*words)  # at once
        seconds.append(gone_after(workers, began))
        dead.communicate()
        lost += len(workers)
    printed, errors = running.communicate(timeout=1500)
    assert running.returncode == 0, printed + errors
    account.check(name, url, trials=TRIALS, epochs=EPOCHS, lost=lost)
    account.check_mirror(name, TRIALS)
    keep_campaign(
        f"killed-supervisors-{storage}",
        {"kills": KILLS, "trials": TRIALS, "epochs": EPOCHS, "workers_gone_seconds": seconds},
        f"`kill -9` of the supervisor {KILLS} times at random moments of one sweep on {storage}, "
        f"each time with the same command again at once: the workers of the dead one were gone "
        f"after {max(seconds):.1f} s at most, the {TRIALS} trials are complete, none twice, and no "
        "run is left running in Optuna or MLflow.",
    )


def test_workers_told_to_leave(command, account, keep_campaign):
    words = (*WORDS, "search.trials=20", "sweep_name=told")
    chance = random.Random("told")
    seconds: list[float] = []
    running = command.start(*words)
    while len(seconds) < TOLD:
        time.sleep(chance.uniform(1.0, 6.0))
        assert running.poll() is None, "the sweep was over before: " + "".join(
            running.communicate()
        )
        workers = command.workers()
        if workers:
            worker, began = chance.choice(workers), time.monotonic()
            os.kill(worker, chance.choice((signal.SIGTERM, signal.SIGUSR2)))
            seconds.append(gone_after([worker], began))
    printed, errors = running.communicate(timeout=3000)
    assert running.returncode == 0, printed + errors
    assert max(seconds) < LEAVING_SECONDS + MARGIN_SECONDS
    account.check("told", None, trials=20, epochs=EPOCHS, lost=TOLD)
    account.check_mirror("told", 20)
    keep_campaign(
        "workers-told-to-leave",
        {"told": TOLD, "seconds": seconds, "trials": 20},
        f"{TOLD} times SIGTERM or SIGUSR2 to a random one of two workers at a random moment, "
        f"at whatever it did: gone after {max(seconds):.1f} s at most, "
        f"{sorted(seconds)[TOLD // 2]:.1f} s in the median; the 20 trials are complete.",
    )


@pytest.mark.parametrize("launch", ["local", "peer"])
def test_the_same_sweep_at_the_same_second(fresh_account, storage, launch, keep_campaign):
    """Two commands; as peers with two workers each, on stores that do not exist yet."""
    storage, url = storage
    command, name = fresh_account.command, "twice"
    words = (*WORDS, f"storage={storage}", f"launch={launch}", f"sweep_name={name}")
    both = [command.start(*words), command.start(*words)]
    for process in both:
        printed, errors = process.communicate(timeout=1500)
        assert process.returncode == 0, printed + errors
        assert "Traceback" not in printed + errors
    fresh_account.check(name, url, trials=TRIALS, epochs=EPOCHS, lost=0)
    fresh_account.check_mirror(name, TRIALS)
    how = "one worked, the other waited" if launch == "local" else "four workers shared it"
    keep_campaign(
        f"same-second-{launch}-{storage}",
        {"commands": 2, "workers": 2 if launch == "local" else 4, "trials": TRIALS},
        f"Two commands for one sweep started at the same second (`launch={launch}`, {storage}; no "
        f"store, study or folder there yet): {how}; no error, {TRIALS} trials complete, none "
        "twice, in MLflow neither.",
    )
