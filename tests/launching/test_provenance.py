import re
import subprocess

import pytest

from pipeline.launching import provenance
from pipeline.launching.provenance import COMMIT_VARIABLE, git_commit


def test_without_a_repository_the_commit_is_what_the_image_was_built_from(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PROJECT_ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit() is None
    monkeypatch.setenv(COMMIT_VARIABLE, "")  # an image that was built without it
    assert git_commit() is None
    monkeypatch.setenv(COMMIT_VARIABLE, "4f2a-dirty")
    assert git_commit() == "4f2a-dirty"


def test_a_repository_knows_better(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PROJECT_ROOT", tmp_path)
    monkeypatch.setenv(COMMIT_VARIABLE, "4f2a")
    name = ("-c", "user.name=me", "-c", "user.email=me@nowhere")
    for words in (("init", "--quiet"), (*name, "commit", "--quiet", "--allow-empty", "-m", "a")):
        subprocess.run(("git", *words), cwd=tmp_path, check=True)
    assert re.fullmatch("[0-9a-f]{40}", git_commit() or "")


@pytest.mark.parametrize("page", ["Containerfile", "docs/how-to/schedule.md"])
def test_whoever_builds_an_image_says_which_commit_it_is_of(project_root, page):
    described = "--build-arg COMMIT=$(git describe --always --dirty --abbrev=40 --exclude='*')"
    assert described in (project_root / page).read_text()
    image = (project_root / "Containerfile").read_text()
    assert re.search(rf"^ARG COMMIT=$.*^ENV .*{COMMIT_VARIABLE}=\$COMMIT$", image, re.M | re.S)
