import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.bundle import LOCK_FILE_NAME, STUDY_NAME, Manifest, Member
from pipeline.core.errors import StorageError

FILES = ["config.yaml", "description.json", "identity.json", "summary.json", "events/sweep.jsonl"]
SOUND = {
    name: Member(size=index, digest=f"{index:064x}")
    for index, name in enumerate([STUDY_NAME, LOCK_FILE_NAME, *(f"sweep/{n}" for n in FILES)])
}


def manifest(**changes):
    members = {name: member for name, member in (SOUND | changes).items() if member is not None}
    return Manifest(sweep="demo", made={"python": "3.12"}, members=members)


def test_it_survives_its_file():
    assert Manifest.from_text(manifest().to_text()) == manifest()


@pytest.mark.parametrize(
    "name",
    ["../mlflow.db", "sweep/../../x", "/etc/passwd", "sweep//x", "sweep/./x", "sweep/.hidden",
     "sweep/a\\b", "C:/x", "sweep/c:x", "sweep/", "other/x", "sweep/a\nb", "sweep/\u202eb", ""],
)  # fmt: skip
def test_names_that_could_lead_elsewhere_are_refused(name):
    with pytest.raises(StorageError, match="is no name for a file of a bundle"):
        manifest(**{name: Member(size=1, digest="0" * 64)})


@given(st.text(st.characters(codec="ascii"), min_size=1, max_size=30))
def test_whatever_name_is_accepted_stays_inside(name):
    try:
        found = manifest(**{f"sweep/{name}": Member(size=1, digest="0" * 64)})
    except StorageError:
        return
    for accepted in found.members:
        parts = accepted.split("/")
        assert not accepted.startswith("/") and "\\" not in accepted
        assert all(part and not part.startswith(".") for part in parts)


@pytest.mark.parametrize("name", list(SOUND))
def test_what_every_sweep_has_must_be_there(name):
    with pytest.raises(StorageError, match=f"{name} is missing"):
        manifest(**{name: None})


def test_the_fingerprint_is_of_every_file_its_name_and_the_sweep():
    known = manifest().fingerprint
    assert manifest(**{STUDY_NAME: Member(size=0, digest="f" * 64)}).fingerprint != known
    more = manifest(**{"sweep/x": Member(size=0, digest="f" * 64)})
    assert more.fingerprint != known
    assert Manifest(sweep="other", made={}, members=SOUND).fingerprint != known
    assert Manifest(sweep="demo", made={}, members=SOUND).fingerprint == known


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sweep": "other"}, "was changed: it has another fingerprint"),
        ({"schema_version": 2}, "of version 2, not 1"),
        ({"members": []}, "is damaged"),
        ({"members": {"sweep/x": {"size": 1}}}, "is damaged"),
    ],
)
def test_a_manifest_that_was_changed_is_refused(change, said):
    values = json.loads(manifest().to_text()) | change
    with pytest.raises(StorageError, match=said):
        Manifest.from_text(json.dumps(values))


def test_what_is_no_manifest_is_refused():
    for text in ("", "[]", "{}", "null", b"\xff"):
        with pytest.raises(StorageError, match="damaged"):
            Manifest.from_text(text)


@pytest.mark.parametrize(
    "change",
    [
        {"members": {"sweep/x": {"size": float("inf"), "digest": "0" * 64}}},
        {"sweep": "\ud800"},
        {"fingerprint": []},
    ],
    ids=["size", "sweep", "fingerprint"],
)
def test_values_that_nothing_can_be_made_of_are_refused(change):
    values = json.loads(manifest().to_text()) | change
    with pytest.raises(StorageError, match=r"its manifest\.json (is damaged|was changed)"):
        Manifest.from_text(json.dumps(values))
