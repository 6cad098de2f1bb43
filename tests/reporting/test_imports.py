"""Importing the room starts at once: what is heavy is loaded where it is used."""

import subprocess
import sys

HEAVY = ("keras", "matplotlib", "mlflow", "optuna", "rich", "tensorflow")


def test_no_heavy_library_is_imported() -> None:
    code = (
        "import importlib, pkgutil, sys, pipeline.reporting as room\n"
        "for module in pkgutil.walk_packages(room.__path__, room.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
