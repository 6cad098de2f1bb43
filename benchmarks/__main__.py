"""``python -m benchmarks [NAME ...] [--short] [data=NAME] [seeds=0,1]``: run benchmarks.

None named is all but those of ``ON_DEMAND``. With ``data=`` those run that can train with any
data, with the same settings; their results are kept beside the others.
"""

import argparse
import importlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import table
from benchmarks.results_files import AUTO, NotHereError, combine
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
    "profile",
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
OF_ANY_DATA = ("front_time", "gpu", "overhead", "recipe", "recording", "stopping", "throughput")
OF_SEEDS = ("front_time", "recording", "stopping")


def main(arguments: list[str]) -> int:
    """Run the benchmarks that are named; none named is all but ``ON_DEMAND``."""
    parser = argparse.ArgumentParser(
        prog="benchmarks",
        usage="python -m benchmarks [NAME ...] [--short] [data=NAME] [seeds=0,1,2]",
        description=f"NAME is one or more of {', '.join(BENCHMARKS)}; without one all but "
        f"{' and '.join(ON_DEMAND)}. data=NAME ({', '.join(DATA)}) is for "
        f"{', '.join(OF_ANY_DATA)}, seeds= for {', '.join(OF_SEEDS)}. What they measure and how "
        "long they take: docs/how-to/bench.md.",
        allow_abbrev=False,
    )
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument(
        "--short", action="store_true", help="a few minutes for all but recording, kept apart"
    )
    given, others = parser.parse_known_intermixed_args(arguments)
    given.words += others
    names = [word for word in given.words if "=" not in word]
    options = dict(word.split("=", 1) for word in given.words if "=" in word)
    wrong = _wrong(names, options)
    if wrong is not None:
        print(f"benchmarks: {wrong}", file=sys.stderr)
        return 2
    usual = BENCHMARKS if options.get("data", AUTO) == AUTO else OF_ANY_DATA
    left_out = ("recording",) if given.short else ON_DEMAND
    chosen = names or [name for name in usual if name not in left_out]
    if len(chosen) > 1:
        return _one_by_one(chosen, given.short, options)
    status = _run(chosen[0], given.short, options)
    written = combine(BENCHMARKS, short=given.short)
    if written is not None:
        print(written)
    if not given.short:
        table.write()
    return status


def _one_by_one(names: Sequence[str], short: bool, options: dict[str, str]) -> int:
    """Run benchmarks in a process each; return the worst status.

    TensorFlow can be set up once in a process, and each has its own number of threads.
    """
    worst = 0
    for name in names:
        words = [name, *(["--short"] if short else ())]
        words += [f"{option}={value}" for option, value in options.items()]
        done = subprocess.run([sys.executable, "-m", "benchmarks", *words], check=False)
        # One that failed is not to blame on the others.
        worst = max(worst, abs(done.returncode))
    return worst


def _run(name: str, short: bool, options: dict[str, str]) -> int:
    keywords: dict[str, Any] = {}
    if name in OF_ANY_DATA:
        keywords["data"] = options.get("data", AUTO)
    if name in OF_SEEDS and "seeds" in options:
        keywords["seeds"] = tuple(map(int, options["seeds"].split(",")))
    try:
        importlib.import_module(f"benchmarks.{name}").main(short, **keywords)
    except NotHereError as error:
        print(f"{name}: {error}", flush=True)
    except (SweetspotError, subprocess.CalledProcessError, RuntimeError) as error:
        print(f"benchmarks: {name}: {error}", file=sys.stderr, flush=True)
        return 2
    return 0


def _wrong(names: list[str], options: dict[str, str]) -> str | None:
    """Return what cannot be, in a sentence; None where all of it can."""
    for name in names:
        if name not in BENCHMARKS:
            return f"there is no {name}; choose {', '.join(BENCHMARKS)}"
    for option, value in options.items():
        if option not in ("data", "seeds"):
            return f"there is no {option}=; data= and seeds= are all"
        if option == "data" and value not in DATA:
            return f"data={value}: choose {', '.join(DATA)}"
        if option == "seeds" and not all(one.isdecimal() for one in value.split(",")):
            return f"seeds={value}: numbers with commas between, as in seeds=0,1"
        which = OF_SEEDS if option == "seeds" else OF_ANY_DATA
        if option == "seeds" and not names:
            return f"seeds= is for {', '.join(OF_SEEDS)}, by name"
        fixed = [name for name in names if name not in which and value != AUTO]
        if fixed:
            return f"{fixed[0]} takes no {option}=; {', '.join(which)} can"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
