"""``python -m benchmarks [NAME ...] [--short]``: run benchmarks by name, or all of them."""

import importlib
import sys

BENCHMARKS = (
    "augmentation",
    "overhead",
    "quiet",
    "recording",
    "repeatability",
    "serving",
    "stopping",
    "throughput",
)


def main(arguments: list[str]) -> int:
    """Run the benchmarks that are named; none named is all."""
    short = "--short" in arguments
    names = [name for name in arguments if name != "--short"]
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"benchmarks: there is no {unknown[0]}; choose {', '.join(BENCHMARKS)}",
              file=sys.stderr)  # fmt: skip
        return 2
    for name in names or BENCHMARKS:
        importlib.import_module(f"benchmarks.{name}").main(short)
    return 0


sys.exit(main(sys.argv[1:]))
