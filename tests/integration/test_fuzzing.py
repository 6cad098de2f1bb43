"""The parsers under libFuzzer, for minutes: only their documented errors come out."""

import re
import subprocess
import sys

import pytest

from pipeline.testing.fuzz_targets import TARGETS

SECONDS = 600


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_parser_under_the_fuzzer(name, tmp_path, keep_campaign):
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.testing.fuzzing", name, f"--seconds={SECONDS}",
         f"--inputs={tmp_path}"],
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    broken = {path.name: path.read_bytes() for path in tmp_path.glob("*-*")}
    assert done.returncode == 0 and not broken, f"{broken}\n{done.stderr[-5000:]}"
    inputs = int(re.findall(r"stat::number_of_executed_units: (\d+)", done.stderr)[-1])
    branches = int(re.findall(r"cov: (\d+)", done.stderr)[-1])
    kept = len(list(tmp_path.iterdir()))
    keep_campaign(
        f"fuzzing-{name.replace('_', '-')}",
        {"seconds": SECONDS, "inputs": inputs, "branches": branches, "kept_inputs": kept},
        f"{SECONDS} s of libFuzzer (atheris) on the target `{name}`: {inputs:,} inputs, "
        f"{branches:,} branches reached, {kept:,} inputs kept as new; nothing but the "
        "documented errors came out.",
    )
