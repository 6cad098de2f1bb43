import functools
import importlib.util
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.testing.fuzz_targets import TARGETS

# Composing takes a tenth of a second, so the words of command lines get fewer examples.
FAST = sorted(set(TARGETS) - {"settings"})


@functools.cache
def seeds(name):
    return TARGETS[name].seeds()


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_every_seed_passes(name):
    assert len(seeds(name)) == len(set(seeds(name)))
    for seed in seeds(name):
        TARGETS[name].check(seed)


@pytest.mark.parametrize("name", FAST)
@given(data=st.data())
def test_seeds_with_edits_pass(name, data):
    edited = bytearray(data.draw(st.sampled_from(seeds(name))))
    for _ in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(0, len(edited)))
        edited[start : start + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    TARGETS[name].check(bytes(edited))


@settings(max_examples=8)
@given(words=st.lists(st.sampled_from(seeds("settings")), min_size=2, max_size=3))
def test_settings_in_any_company_pass(words):
    TARGETS["settings"].check(b" ".join(words))


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="there is no atheris for this machine"
)
def test_the_fuzzer_ends_by_itself_and_keeps_its_inputs(tmp_path):
    for seconds in (1, 10, 60):  # more only where a busy machine has lost the first
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.testing.fuzzing", "architecture",
             f"--seconds={seconds}", f"--inputs={tmp_path}"],
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "stat::number_of_executed_units" in done.stderr
        if len(list(tmp_path.iterdir())) > len(seeds("architecture")):
            break
    assert len(list(tmp_path.iterdir())) > len(seeds("architecture"))
