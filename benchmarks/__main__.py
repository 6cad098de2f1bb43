"""``python -m benchmarks [NAME ...] [--short]``: run benchmarks by name, or all of them."""

import importlib
import sys

from benchmarks import table
from benchmarks.results_files import combine

BENCHMARKS = (
    "asking",
    "augmentation",
    "front_time",
    "memory",
    "overhead",
    "quiet",
    "recipe",
    "recording",
    "repeatability",
    "scaling",
    "serving",
    "start_up",
    "stopping",
    "throughput",
)

#: Run when they are named: an hour of recording, and hours of peers.
ON_DEMAND = ("front_time", "recording")


def main(arguments: list[str]) -> int:
    """Run the benchmarks that are named; none named is all."""
    short = "--short" in arguments
    names = [name for name in arguments if name != "--short"]
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"benchmarks: there is no {unknown[0]}; choose {', '.join(BENCHMARKS)}",
              file=sys.stderr)  # fmt: skip
        return 2
    for name in names or [name for name in BENCHMARKS if name not in ON_DEMAND]:
        importlib.import_module(f"benchmarks.{name}").main(short)
    print(combine(BENCHMARKS, short=short))
    if not short:
        table.write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
