from types import SimpleNamespace

import pytest

from pipeline.commands import cli
from pipeline.config import program
from pipeline.launching import promotion
from pipeline.tracking.champions import Version


@pytest.fixture
def promoted(simulate_sweep, tmp_path, monkeypatch, capsys):
    """Return the status and what is printed where a promotion ends in some way."""
    simulate_sweep(tmp_path, "lesson")

    def ending(outcome, *words):
        said = SimpleNamespace(outcome=outcome, sentence="said of it")
        monkeypatch.setattr(promotion, "promote", lambda config, *, force: said)
        status = cli.main(["promote", "lesson", f"mlruns={tmp_path}", *words])
        return status, capsys.readouterr()

    return ending


def test_a_new_champion_is_followed_by_commands_that_can_be_typed_as_they_are(promoted, tmp_path):
    server = "tracking.uri=http://mlflow:5000"
    status, printed = promoted("promoted", server)
    rest = f"mlruns={tmp_path} {server}"
    assert status == 0
    assert printed.out.splitlines() == [
        "said of it",
        "",
        f"classify pictures:  {program()} predict PICTURE ... {rest}",
        f"answer requests:    {program()} serve {rest}",
        f"write it as ONNX:   {program()} export lesson {rest}",
        f"take it back:       {program()} rollback {rest}",
    ]


def test_a_refusal_says_how_to_overrule_it(promoted):
    status, printed = promoted("refused")
    assert (status, printed.out) == (1, "")
    assert printed.err == "sweetspot: said of it; --force promotes it anyway\n"


def test_a_rollback_says_what_becomes_of_servers(monkeypatch, tmp_path, capsys):
    now, before = Version(number="2", tags={}), Version(number="3", tags={})
    found = SimpleNamespace(data="digits", roll_back=lambda: (now, before))
    monkeypatch.setattr("pipeline.tracking.registry.Registry", lambda **_: found)
    monkeypatch.setattr("pipeline.tracking.registry.the_champions_data", lambda config: "digits")
    assert cli.main(["rollback", f"mlruns={tmp_path}"]) == 0
    assert capsys.readouterr().out.endswith(
        f"no longer {before.title}; a `sweetspot serve` that runs goes on with version 3 until it "
        "is started again.\n"
    )
