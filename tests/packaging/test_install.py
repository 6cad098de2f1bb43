"""The set-up of .venv: once, in order, and again where it was disturbed.

Each test works in a folder of its own with the real program, the real pip and a package made
here, so that nothing is fetched.
"""

import fcntl
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["requirements"]

[project]
name = "sweetspot"
version = "1.0"
"""
BACKEND = """
import pathlib, shutil


def build_editable(folder, config_settings=None, metadata_directory=None):
    (wheel,) = pathlib.Path("wheels").glob("sweetspot-*.whl")
    return pathlib.Path(shutil.copy(wheel, folder)).name
"""


def wheel(folder, name, version):
    """Write a wheel that holds one module."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in files.items():
            archive.writestr(member, text)
    return path


class Project:
    """A small project with the real set-up program."""

    def __init__(self, folder, program):
        self.folder = folder
        self.locks = folder / "requirements"
        self.wheels = folder / "wheels"
        self.locks.mkdir(parents=True)
        self.wheels.mkdir()
        shutil.copy(program, self.locks)
        (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
        (self.locks / "backend.py").write_text(BACKEND, encoding="utf-8")
        wheel(self.wheels, "sweetspot", "1.0")
        for name in ("build", "run", "cuda", "dev"):
            self.lock(name, "1.0")

    def lock(self, name, version):
        """Write a lock file that holds one package, named like the file."""
        digest = hashlib.sha256(wheel(self.wheels, name, version).read_bytes()).hexdigest()
        text = f"{name}=={version} --hash=sha256:{digest}\n"
        (self.locks / f"{name}.txt").write_text(text, encoding="utf-8")

    def start(self, *arguments, gpu=False):
        """Start the program as the Makefile does, with or without an NVIDIA driver."""
        path = self.folder / f"path-{gpu}"
        path.mkdir(exist_ok=True)
        driver = path / "nvidia-smi"
        answer = "echo GPU 0: of a test" if gpu else "exit 9"
        driver.write_text(f"#!/bin/sh\n{answer}\n", encoding="utf-8")
        driver.chmod(0o755)
        environment = {
            "PATH": f"{path}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_CONFIG_FILE": os.devnull,
        }
        return subprocess.Popen(
            [self.python, "-I", self.locks / "install.py", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def set_up(self, *arguments, gpu=False):
        process = self.start(*arguments, gpu=gpu)
        stdout, stderr = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    @property
    def python(self):
        """The Python that the Makefile takes."""
        venv = self.folder / ".venv"
        return venv / "bin" / "python" if (venv / "installed.json").exists() else sys.executable

    def versions(self):
        """Return what .venv holds of the packages made here."""
        ask = (
            "import importlib.metadata as m, json; "
            "print(json.dumps({d.name: d.version for d in m.distributions()}))"
        )
        python = self.folder / ".venv" / "bin" / "python"
        done = subprocess.run([python, "-Ic", ask], capture_output=True, check=True)
        others = ("pip", "setuptools")
        found = json.loads(done.stdout)
        return {name: version for name, version in found.items() if name not in others}


@pytest.fixture
def project(tmp_path, project_root):
    return Project(tmp_path / "project", project_root / "requirements" / "install.py")


def test_a_set_up_is_done_once_and_follows_the_lock_files_and_the_machine(project):
    done = project.set_up()
    assert done.returncode == 0, done.stderr
    assert "a download of about 600 MB" in done.stderr
    run = {"build": "1.0", "run": "1.0", "sweetspot": "1.0"}
    assert project.versions() == run
    assert project.set_up().stderr == ""

    project.set_up("dev")
    assert project.versions() == run | {"dev": "1.0"}
    assert project.set_up("dev").stderr == ""

    project.lock("run", "2.0")
    assert "Installing" in project.set_up().stderr
    assert project.versions() == run | {"run": "2.0", "dev": "1.0"}
    assert project.set_up("dev").stderr == ""

    assert "NVIDIA" in project.set_up(gpu=True).stderr
    assert project.versions()["cuda"] == "1.0"
    assert project.set_up(gpu=False).stderr == ""  # a machine without one, in the same folder


def test_a_set_up_starts_afresh_and_counts_only_when_it_is_done(project):
    leftover = project.folder / ".venv" / "leftover"
    leftover.parent.mkdir()
    leftover.touch()
    changed = wheel(project.wheels, "run", "1.0")
    changed.write_bytes(changed.read_bytes() + b"other bytes")
    done = project.set_up()
    assert done.returncode == 1
    assert "The set-up of .venv did not finish" in done.stderr
    assert "Traceback" not in done.stderr
    assert not leftover.exists()
    assert project.versions() == {"build": "1.0"}
    assert not (project.folder / ".venv" / "installed.json").exists()


def test_a_set_up_that_cannot_begin_is_one_sentence(project):
    (project.folder / ".venv").touch()
    done = project.set_up()
    assert done.returncode == 1
    assert done.stderr.startswith("The set-up of .venv failed: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def program(project, monkeypatch):
    """The program as a module, in a folder whose .venv is that of these tests."""
    (project.folder / ".venv" / "bin").mkdir(parents=True)
    (project.folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.syspath_prepend(project.locks)
    monkeypatch.delitem(sys.modules, "install", raising=False)
    module = importlib.import_module("install")
    stamp = module.wanted(cuda=False)
    module.STAMP.write_text(json.dumps(stamp), encoding="utf-8")
    assert module.installed() == stamp
    return module


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"folder": "elsewhere"}'])
def test_a_stamp_that_is_damaged_or_of_another_folder_does_not_count(program, text):
    program.STAMP.write_text(text, encoding="utf-8")
    assert program.installed() == {}


@pytest.mark.parametrize("target", ["/no/such/python", "/bin/false", "/bin/echo"])
def test_a_virtual_environment_that_is_broken_or_of_another_python_does_not_count(program, target):
    program.PYTHON.unlink()
    program.PYTHON.symlink_to(target)
    assert program.installed() == {}


def test_only_what_concerns_the_installation_makes_it_stale(program, project):
    before = program.wanted(cuda=False)
    pyproject = project.folder / "pyproject.toml"
    pyproject.write_text(PYPROJECT + "[tool.ruff]\nline-length = 100\n", encoding="utf-8")
    assert program.wanted(cuda=False) == before
    pyproject.write_text(PYPROJECT + "dependencies = ['more']\n", encoding="utf-8")
    assert program.wanted(cuda=False) != before


def test_a_second_set_up_waits_for_the_first(project):
    with (project.locks / "install.py").open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        waiting = project.start("dev")
        assert "waiting" in waiting.stderr.readline()
        assert not (project.folder / ".venv").exists()
        waiting.kill()
        waiting.communicate()
