"""``python -m benchmarks [NAME ...] [--short] [data=NAME]``: run benchmarks, by name or all.

With ``data=`` those run that can train with any data, with the same settings; their results are
kept beside the others.
"""

import importlib
import subprocess
import sys

from benchmarks import table
from benchmarks.results_files import AUTO, combine
from pipeline.core.errors import SweetspotError

BENCHMARKS = (
    "asking",
    "augmentation",
    "calibration",
    "front_time",
    "gpu",
    "lesson",
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
    "warm_start",
)

#: Run when they are named: hours of peers, of whom the short mode runs each for a minute, and two
#: hours of recording.
ON_DEMAND = ("front_time", "recording")
#: With what, by the same settings, and which of them can.
DATA = (AUTO, "fashion_mnist", "mnist", "digits")
OF_ANY_DATA = ("front_time", "gpu", "overhead", "recipe", "throughput")


def main(arguments: list[str]) -> int:
    """Run the benchmarks that are named; none named is all."""
    short = "--short" in arguments
    given = [word.removeprefix("data=") for word in arguments if word.startswith("data=")]
    data = given[-1] if given else AUTO
    names = [name for name in arguments if name != "--short" and not name.startswith("data=")]
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"benchmarks: there is no {unknown[0]}; choose {', '.join(BENCHMARKS)}",
              file=sys.stderr)  # fmt: skip
        return 2
    if data not in DATA:
        print(f"benchmarks: data={data}: choose {', '.join(DATA)}", file=sys.stderr)
        return 2
    fixed = [name for name in names if data != AUTO and name not in OF_ANY_DATA]
    if fixed:
        print(f"benchmarks: {fixed[0]} takes no data=; {', '.join(OF_ANY_DATA)} do",
              file=sys.stderr)  # fmt: skip
        return 2
    usual = BENCHMARKS if data == AUTO else OF_ANY_DATA
    left_out = ("recording",) if short else ON_DEMAND
    status = 0
    for name in names or [name for name in usual if name not in left_out]:
        module = importlib.import_module(f"benchmarks.{name}")
        try:
            module.main(short, data) if name in OF_ANY_DATA else module.main(short)
        except (SweetspotError, subprocess.CalledProcessError, RuntimeError) as error:
            # Its data are not here, say; the others are not to blame.
            print(f"benchmarks: {name}: {error}", file=sys.stderr, flush=True)
            status = 2
    print(combine(BENCHMARKS, short=short))
    if not short:
        table.write()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
