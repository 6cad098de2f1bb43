import subprocess
import sys

from pipeline.measuring.memory import MIB, device_peak_memory_mib

#: In a process of its own, with more than the one that starts it had: a peak outlives that, too.
HOLDING = """
from pipeline.measuring.memory import MIB, host_peak_memory_mib

before = host_peak_memory_mib()
block = b"1" * int((before + 64) * MIB)
during = host_peak_memory_mib()
del block
print(before, during, host_peak_memory_mib())
"""


def test_the_peak_of_the_host_never_falls_and_holds_what_was_used():
    done = subprocess.run([sys.executable, "-c", HOLDING], stdout=subprocess.PIPE, check=True)
    before, during, after = map(float, done.stdout.split())
    assert 64.0 <= during - before < 200.0
    assert after >= during


def test_the_device_is_asked_for_bytes():
    assert device_peak_memory_mib(lambda: 3 * MIB) == 3.0


def test_a_device_without_a_counter_has_no_peak():
    assert device_peak_memory_mib(None) is None
