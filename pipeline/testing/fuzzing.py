"""Feeds one parser with bytes that libFuzzer mutates, guided by the branches that they reach.

``python -m pipeline.testing.fuzzing TARGET --seconds 600`` in a process of its own: the fuzzer
ends it, with status 0 when its time is over and another one when an input broke the target,
which is then kept in the folder of inputs as ``crash-…``.
"""

import argparse
import gc
import hashlib
import os
import sys
from pathlib import Path
from types import FunctionType

from pipeline.testing.fuzz_targets import TARGETS

_LONGEST_INPUT_BYTES = 8192
_LONGEST_RUN_SECONDS = 60
_MEMORY_MIB = 3000


def main() -> None:
    """Fuzz a target; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--inputs", type=Path, required=True, help="folder of inputs, kept")
    asked = parser.parse_args()
    import atheris

    target = TARGETS[asked.target]
    asked.inputs.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (asked.inputs / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    os.chdir(asked.inputs)  # settings may name folders
    target.check(target.seeds()[0])  # loads what it needs
    _instrument(target.modules)
    options = {
        "max_total_time": asked.seconds,
        "max_len": _LONGEST_INPUT_BYTES,
        "timeout": _LONGEST_RUN_SECONDS,
        "rss_limit_mb": _MEMORY_MIB,
        "print_final_stats": 1,
        "artifact_prefix": f"{asked.inputs}/",
    }
    words = [f"-{name}={value}" for name, value in options.items()]
    atheris.Setup([sys.argv[0], str(asked.inputs), *words], target.check)
    atheris.Fuzz()


def _instrument(prefixes: tuple[str, ...]) -> None:
    """Let the fuzzer see the branches of all functions of some modules, which are loaded."""
    import atheris

    for hook in ("RegEx", "str"):
        atheris.enabled_hooks.add(hook)
    for found in gc.get_objects():
        if isinstance(found, FunctionType) and str(found.__module__).startswith(prefixes):
            atheris.instrument_func(found)


if __name__ == "__main__":
    main()
