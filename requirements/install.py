"""Set up ``.venv`` from the hash-locked requirements beside this file.

The Makefile calls ``python requirements/install.py [dev]`` before each target. It does nothing
when ``.venv`` is as the lock files want it, installs what they changed, and starts afresh where
the last set-up did not finish. A virtual environment asked for from another Python (``make
PYTHON=...``), or moved here from another folder, is made again too.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.json"


def wanted(*, cuda: bool) -> dict[str, Any]:
    """Return the stamp of a complete set-up."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    ours = json.dumps([project["project"], project["build-system"]], sort_keys=True).encode()
    run = [LOCKS / "build.txt", LOCKS / ("cuda.txt" if cuda else "run.txt")]
    return {
        "folder": str(ROOT),
        "cuda": cuda,
        "run": hashlib.sha256(b"".join([ours, *(file.read_bytes() for file in run)])).hexdigest(),
        "dev": hashlib.sha256((LOCKS / "dev.txt").read_bytes()).hexdigest(),
    }


def installed() -> dict[str, Any]:
    """Return the stamp of the last set-up; an empty one if it did not finish, or not here."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    usable = isinstance(stamp, dict) and stamp.get("folder") == str(ROOT) and is_ours()
    return stamp if usable else {}


def is_ours() -> bool:
    """Say whether ``.venv`` works and belongs to the Python that runs this."""
    if Path(sys.prefix).resolve() == VENV.resolve():
        return True
    asked = "import sys; print(sys.base_prefix, sys.version)"
    try:
        answers = [
            subprocess.run([python, "-Ic", asked], capture_output=True, check=True).stdout
            for python in (sys.executable, PYTHON)
        ]
    except (OSError, subprocess.CalledProcessError):
        return False
    return answers[0] == answers[1]


def has_gpu() -> bool:
    """Say whether an NVIDIA driver answers and knows a GPU."""
    try:
        answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return answer.returncode == 0 and "GPU " in answer.stdout


def pip(*arguments: str | Path) -> None:
    """Install into ``.venv``; end with pip's own words and one of ours where that fails."""
    command = (PYTHON, "-m", "pip", "--disable-pip-version-check", "-qq", "install", "--no-deps")
    if subprocess.run([*command, *arguments], cwd=ROOT, check=False).returncode:
        sys.exit("The set-up of .venv did not finish; call make again, which starts it afresh.")


def install_lock(name: str) -> None:
    """Install a lock file; its one source distribution is built by the locked setuptools."""
    options = ("--no-build-isolation", "--use-pep517", "--require-hashes", "--no-compile")
    pip(*options, "--requirement", LOCKS / name)


def compile_all() -> None:
    """Compile what was installed: on all cores, and without tests, it takes half of pip's time."""
    packages = sysconfig.get_path("purelib", "venv", {"base": str(VENV)})
    options = ("-qq", "-j", "0", "-x", r"site-packages[\\/].*[\\/]tests?[\\/]")
    # Its status tells only that some package ships a file for another Python.
    subprocess.run([PYTHON, "-m", "compileall", *options, packages], check=False)


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other set-up of this folder runs; the kernel frees a killed one's lock."""
    with Path(__file__).open("rb+") as file:  # NFS locks only what is open for writing
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another make is setting up .venv, waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(sentence: str) -> None:
    """Tell the user what takes time."""
    print(f"{sentence} ...", file=sys.stderr, flush=True)


def set_up(*, dev: bool) -> None:
    """Bring ``.venv`` to what the lock files say, as far as it is not there yet."""
    done = installed()
    cuda = bool(done.get("cuda")) or has_gpu()  # kept where machines without a GPU share a folder
    goal = wanted(cuda=cuda)
    run_differs = done.get("run") != goal["run"]
    dev_differs = dev and done.get("dev") != goal["dev"]
    if not run_differs and not dev_differs:
        return
    STAMP.unlink(missing_ok=True)
    if not done:
        say(f"Making .venv with Python {sys.version.split()[0]}")
        venv.create(VENV, clear=True, symlinks=True, with_pip=True)
    if run_differs:
        nvidia = " and 2.5 GB of NVIDIA's libraries" if cuda else ""
        say(f"Installing TensorFlow, Optuna, MLflow, once: a download of about 600 MB{nvidia}")
        install_lock("build.txt")
        install_lock("cuda.txt" if cuda else "run.txt")
        pip("--no-build-isolation", "--editable", ROOT)
    if dev_differs:
        say("Installing what tests and checks need")
        install_lock("dev.txt")
    compile_all()
    stamp = goal if dev else {**goal, "dev": done.get("dev")}
    STAMP.write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Set up, once at a time; Ctrl-C ends it with a sentence."""
    for variable in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"):
        os.environ.pop(variable, None)  # pip would take what lies there for installed, or put it
    os.environ["PIP_USER"] = "0"  # whatever its files say: into .venv
    try:
        with alone():
            set_up(dev="dev" in sys.argv[1:])
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"The set-up of .venv failed: {error}.")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; call make again, which sets up .venv afresh.")


if __name__ == "__main__":
    main()
