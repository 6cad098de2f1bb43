import subprocess
import sys

import pytest

from pipeline.commands import cli

HEAVY = ("tensorflow", "keras", "optuna", "mlflow")


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        capture_output=True, text=True, timeout=250, check=False, env=environment or None,
    )  # fmt: skip


def test_no_command_is_the_overview(capsys):
    assert cli.main([]) == 0
    said = capsys.readouterr().out
    for command in cli.COMMANDS:
        assert f"  {command}" in said


def test_every_command_has_a_module():
    for command in cli.COMMANDS:
        module = __import__(f"pipeline.commands.{command}", fromlist=["run"])
        assert callable(module.run)
        assert module.NAMES is None or isinstance(module.NAMES, int)


def test_an_unknown_command_is_one_sentence(capsys):
    assert cli.main(["swep"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("sweetspot: 'swep' is not a command; choose sweep, train,")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["sweep", "--help"], ["status", "mlruns=/nonexistent-folder"], ["clean"],
     ["report", "mlruns=/nonexistent-folder"]],
    ids=" ".join,
)  # fmt: skip
def test_what_only_reads_loads_none_of_the_big_libraries(arguments):
    code = (
        "import sys; from pipeline.commands.cli import main; main(sys.argv[1:]); "
        f"print('loaded', sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True, text=True, timeout=250, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "loaded []"


def test_hydras_flags_work_behind_a_command(capfd):
    assert cli.main(["sweep", "data=mnist", "--cfg", "job"]) == 0
    printed = capfd.readouterr().out
    assert "name: mnist" in printed
    assert cli.main(["sweep", "--cfg", "job", "--resolve", "--package", "search"]) == 0
    assert "sampler: tpe" in capfd.readouterr().out


def test_help_behind_a_command_names_groups_options_and_settings(capfd):
    assert cli.main(["sweep", "--help"]) == 0
    printed = capfd.readouterr().out
    assert printed.startswith("sweetspot sweep: search the space of networks")
    for part in ("objective   which costs count", "space/depth: deep, one,", "sampler: tpe",
                 'eval "$(sweetspot -sc install=bash)"'):  # fmt: skip
        assert part in printed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--cfg", "foo"],
            "sweetspot: Hydra refuses this: argument --cfg/-c: invalid choice: 'foo'",
        ),
        (["--cfg"], "sweetspot: Hydra refuses this: argument --cfg/-c: expected one argument"),
        (["--cfg", "job", "data=foo"], "sweetspot: data=foo: 'foo' is not an option of data"),
        (
            ["-m", "space=small,wide", "--cfg", "job"],
            "sweetspot: --cfg, --info and the like show one",
        ),
    ],
)
def test_what_hydra_cannot_show_is_one_sentence(capfd, words, said):
    assert cli.main(["sweep", *words]) == 2
    printed = capfd.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith(said)


def test_completion_knows_commands_groups_and_options(monkeypatch, capfd):
    def offered(text):
        monkeypatch.setenv("COMP_LINE", text)
        assert cli.main(["-sc", "query=bash"]) == 0
        return capfd.readouterr().out.split()

    assert offered("sweetspot st") == ["status"]
    assert {"data=digits", "data=mnist"} <= set(offered("sweetspot sweep data="))
    assert offered("sweetspot sweep --dry-run data=di") == ["data=digits"]
    assert offered("sweetspot status --watch lesson  data=di") == ["data=digits"]
    assert offered("~/bin/sweetspot sweep -m space=small,wide search.tr") == ["search.trials="]
    assert "search.trials=" in offered("sweetspot sweep search.tr")
    assert cli.main(["-sc", "install=zsh"]) == 2


@pytest.mark.parametrize("words", ["--dry", "search=no da", "a(b=c da", "+x da"])
def test_nothing_is_written_into_the_line_that_somebody_types(monkeypatch, capfd, words):
    monkeypatch.setenv("COMP_LINE", f"sweetspot sweep {words}")
    assert cli.main(["-sc", "query=bash"]) == 0
    assert capfd.readouterr().err == ""


def test_the_shell_can_install_completion():
    script = run("-sc", "install=bash").stdout
    assert "complete -o nospace" in script
