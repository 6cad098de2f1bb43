"""A trial that does not get on ends its process."""

import subprocess
import sys
import time

from pipeline.launching.watchdog import Watchdog
from pipeline.measuring.clocks import Clocks

LOOK = 0.01


def watched(seconds=0.2):
    """Return a watchdog, the clocks that it watches, and the statuses that it has ended with."""
    ended: list[int] = []
    watchdog = Watchdog("trial 7", seconds=seconds, look_seconds=LOOK, end=ended.append)
    return watchdog, Clocks(switched=watchdog.switched), ended


def test_a_clock_that_runs_on_and_on_ends_the_process(capfd):
    watchdog, clocks, ended = watched()
    with watchdog, clocks.on("training"):
        end = time.monotonic() + 60.0
        while not ended and time.monotonic() < end:
            time.sleep(LOOK)
    assert ended == [1]
    said = capfd.readouterr().err
    assert "trial 7 has not got on for 0 minutes (training); this worker ends itself" in said
    assert (
        "test_a_clock_that_runs_on_and_on_ends_the_process" in said
    )  # where it was, of all threads


def test_who_waits_for_others_is_not_stalled():
    watchdog, clocks, ended = watched()
    with watchdog, clocks.on("training"), clocks.on("waiting"):
        time.sleep(0.6)
    assert ended == []


def test_who_has_no_clock_running_is_not_stalled():
    watchdog, clocks, ended = watched()
    with watchdog:
        with clocks.on("training"):
            pass
        time.sleep(0.6)
    assert ended == []


def test_who_goes_from_one_thing_to_the_next_is_not_stalled():
    watchdog, clocks, ended = watched(seconds=0.5)
    with watchdog, clocks.on("training"):
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            with clocks.on("tracking"):
                time.sleep(0.05)
    assert ended == []


def test_what_hangs_in_native_code_is_ended():
    """In a library's long call Python runs no handler of a signal, but other threads."""
    text = (
        "import hashlib\n"
        "from pipeline.launching.watchdog import Watchdog\n"
        "from pipeline.measuring.clocks import Clocks\n"
        "watchdog = Watchdog('trial 3', seconds=0.2, look_seconds=0.05)\n"
        "clocks = Clocks(switched=watchdog.switched)\n"
        "with watchdog, clocks.on('measuring'):\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=250, check=False
    )
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1].startswith("sweetspot: trial 3 has not got on")
