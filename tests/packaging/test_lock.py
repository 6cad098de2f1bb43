"""The lock files: complete, hash-locked, for every supported Python, and free of any host."""

import re
import tomllib
from dataclasses import dataclass
from itertools import product

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAMES = ("build", "run", "cuda", "dev", "peers")
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = ("linux", "darwin")
MACHINES = list(product(PYTHONS, PLATFORMS))


@dataclass(frozen=True, kw_only=True)
class Pin:
    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def version(self):
        (specifier,) = self.requirement.specifier
        assert specifier.operator == "=="
        return specifier.version


def applies(requirement, python, platform):
    """Whether a requirement is one on such a machine."""
    return requirement.marker is None or requirement.marker.evaluate(
        {
            "python_version": python,
            "python_full_version": f"{python}.0",
            "sys_platform": platform,
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }
    )


@pytest.fixture(scope="module")
def texts(project_root):
    return {
        name: (project_root / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        for name in NAMES
    }


@pytest.fixture(scope="module")
def locks(texts):
    return {name: pins(text) for name, text in texts.items()}


@pytest.fixture(scope="module")
def project(project_root):
    return tomllib.loads((project_root / "pyproject.toml").read_text(encoding="utf-8"))


def pins(text):
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found = []
    for entry in lines.replace("\\\n", " ").splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", entry.strip())
        found.append(Pin(requirement=Requirement(requirement), hashes=tuple(hashes)))
    return found


def versions(lock, python, platform):
    chosen = [pin for pin in lock if applies(pin.requirement, python, platform)]
    named = {canonicalize_name(pin.requirement.name): pin.version for pin in chosen}
    assert len(named) == len(chosen), "a package is pinned twice"
    return named


@pytest.mark.parametrize("name", NAMES)
def test_no_host_and_no_path_stands_in_a_lock_file(texts, name):
    for line in texts[name].splitlines():
        assert "://" not in line
        assert not line.lstrip().startswith(("-i ", "-f ", "--index", "--extra", "--find", "-e "))
        assert " @ " not in line
        assert not re.search(r"(^|\s)(/|\.\.?/|~)", line), line


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_pinned_and_hashed(locks, name):
    assert locks[name]
    for pin in locks[name]:
        assert pin.version
        assert pin.hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in pin.hashes)


@pytest.mark.parametrize(("python", "platform"), MACHINES)
def test_the_lock_holds_what_pyproject_asks_for(locks, project, python, platform):
    dependencies = project["project"]["dependencies"]
    groups = project["dependency-groups"]
    for name, asked in (
        ("run", dependencies),
        ("cuda", dependencies),
        ("build", groups["build"]),
        ("dev", groups["dev"]),
        ("peers", groups["peers"]),
    ):
        pinned = versions(locks[name], python, platform)
        for requirement in map(Requirement, asked):
            if not applies(requirement, python, platform):
                continue
            version = pinned[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), (name, requirement, version)


@pytest.mark.parametrize(("python", "platform"), MACHINES)
def test_the_lock_files_agree(locks, python, platform):
    chosen = {name: versions(locks[name], python, platform) for name in NAMES}
    run = chosen["run"]
    assert chosen["build"].items() <= run.items()
    assert run.items() <= chosen["cuda"].items()
    shared = run.keys() & chosen["dev"].keys()
    assert {name: chosen["dev"][name] for name in shared} == {name: run[name] for name in shared}


@pytest.mark.parametrize("python", PYTHONS)
def test_cuda_adds_nvidias_libraries_on_linux_only(locks, python):
    added = {
        platform: versions(locks["cuda"], python, platform).keys()
        - versions(locks["run"], python, platform).keys()
        for platform in PLATFORMS
    }
    assert "nvidia-cudnn-cu12" in added["linux"]
    assert all(name.startswith("nvidia-") for name in added["linux"])
    assert not added["darwin"]
