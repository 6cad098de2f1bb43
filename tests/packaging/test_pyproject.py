"""pyproject.toml says what the code needs."""

import ast
import importlib
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import pipeline


@pytest.fixture(scope="module")
def project(project_root):
    return tomllib.loads((project_root / "pyproject.toml").read_text(encoding="utf-8"))


def names(requirements):
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def imports(folder):
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


def test_the_dependencies_are_what_the_package_imports(project, project_root):
    found = set(imports(project_root / "pipeline")) - sys.stdlib_module_names - {"pipeline"}
    # Keras' other backend, imported where KERAS_BACKEND names it; the fuzzer of the parsers, which
    # developers have.
    found -= {"jax", "atheris"}
    distributions = {**packages_distributions(), "mlflow": ["mlflow"]}  # mlflow-skinny has it too
    imported = {canonicalize_name(distributions[name][0]) for name in found}
    digits = {"scikit-learn"}  # read as a file, without the import
    assert imported | digits == names(project["project"]["dependencies"])


def test_each_dependency_is_bounded_and_explained(project_root, project):
    lines = (project_root / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    for dependency in project["project"]["dependencies"]:
        assert "<" in dependency
        (line,) = (line for line in lines if f'"{dependency}"' in line)
        assert line.partition("#")[2].strip(), f"{dependency} has no reason"


def test_the_command_is_where_the_script_looks_for_it(project):
    module, _, function = project["project"]["scripts"]["sweetspot"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_the_lock_builds_with_what_the_build_system_asks_for(project):
    assert project["dependency-groups"]["build"] == project["build-system"]["requires"]


def test_the_version_is_written_once(project):
    assert project["project"]["version"] == pipeline.__version__


def test_every_room_has_its_place_in_the_order(project, project_root):
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    placed = {layer.strip("()") for layer in layers}
    folder = project_root / "pipeline"
    rooms = {file.parent.name for file in folder.glob("*/__init__.py")}
    modules = {file.stem for file in folder.glob("*.py")} - {"__init__"}
    assert placed == rooms | modules
