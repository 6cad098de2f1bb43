"""What is optional is not imported along, and is there for whoever imports it afterwards."""

import gc
import subprocess
import sys
import threading

import pytest

from pipeline.training.importing import OPTIONAL, without


def test_keras_comes_without_what_it_can_do_without() -> None:
    code = (
        "import sys\n"
        "import pipeline.training.backend\n"
        f"print(sorted({set(OPTIONAL)!r} & set(sys.modules)))\n"
        "import matplotlib, pandas, sklearn\n"
        "import tensorflow as tf\n"
        "print(tf.keras.Sequential.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=250
    )
    assert done.stdout.splitlines() == ["[]", "Sequential"], done.stderr


def test_only_this_thread_does_without_and_only_for_a_while(tmp_path, monkeypatch) -> None:
    for name in ("spared_once", "spared_elsewhere"):
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = []
    with without(frozenset({"spared_once", "spared_elsewhere"})):
        assert not gc.isenabled()
        with pytest.raises(ModuleNotFoundError, match="spared_once"):
            __import__("spared_once")
        other = threading.Thread(target=lambda: found.append(__import__("spared_elsewhere")))
        other.start()
        other.join()
    assert [module.__name__ for module in found] == ["spared_elsewhere"]
    assert gc.isenabled() and __import__("spared_once").__name__ == "spared_once"


def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()
    try:
        with without(frozenset()):
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_is_loaded_stays_whole(tmp_path, monkeypatch) -> None:
    package = tmp_path / "spared_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("spared_package")
    with without(frozenset({"spared_package"})):
        assert __import__("spared_package.part").part.__name__ == "spared_package.part"
