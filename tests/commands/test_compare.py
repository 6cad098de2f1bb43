"""``sweetspot compare`` on sweeps whose training is simulated and whose files are real."""

import pytest

from pipeline.commands import cli


@pytest.fixture(scope="module")
def mlruns(tmp_path_factory, simulate_sweep):
    folder = tmp_path_factory.mktemp("home") / "mlruns"
    simulate_sweep(folder, "one", "objective=macs")
    simulate_sweep(folder, "two", "objective=macs", "search.seed=1", device="Epyc")
    simulate_sweep(folder, "other-data", "objective=macs", "data.limit=600")
    simulate_sweep(folder, "other-cost", "objective=size")
    return folder


def test_two_sweeps_side_by_side(mlruns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(["compare", "one", "two", f"mlruns={mlruns}", "--force"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "digits: 2 sweeps, accuracy against multiply-accumulates" in said
    assert "A on Xeon with 2 cores, B on Epyc with 2 cores" in said
    assert "On the same 270 test images B is " in said
    figure = mlruns / "comparisons" / "one-vs-two" / "pareto-macs.png"
    assert said.endswith(str(figure))
    assert figure.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "compare takes 2 to 8 sweep names, not 0"),
        (["one"], "compare takes 2 to 8 sweep names, not 1"),
        (["one", "two", "one"], "compare takes each sweep once, not one again"),
        (["one", "three"], "there is no sweep three under"),
        (["one", "a/b"], "a name consists of letters"),
        (list("abcdefghi"), "'i' is not a setting"),
        (["one", "two"], "they ran on different devices (Xeon with 2 cores against Epyc"),
        (["one", "other-data"], "one and other-data cannot be compared: their images or splits"),
        (["one", "other-data", "--force"], "their images or splits differ (digits "),
        (["one", "other-cost"], "their costs differ (macs against parameters)"),
        (["one", "two", "--hurry"], "'--hurry' is not a flag of compare; choose --force"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(mlruns, capsys, words, said):
    assert cli.main(["compare", *words, f"mlruns={mlruns}"]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_times_that_were_measured_otherwise_are_said(tmp_path, simulate_sweep, capsys):
    simulate_sweep(tmp_path, "one")
    simulate_sweep(tmp_path, "two", "search.seed=1")
    simulate_sweep(tmp_path, "three", "search.seed=2", "measuring=quick")
    assert cli.main(["compare", "one", "two", f"mlruns={tmp_path}"]) == 0
    assert capsys.readouterr().err == ""
    assert cli.main(["compare", "one", "three", f"mlruns={tmp_path}"]) == 0
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("sweetspot: these sweeps measured their costs with other settings (")
    assert "measuring.turns" in said
