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


def test_completion_knows_commands_groups_and_options(monkeypatch, capfd):
    def offered(text):
        monkeypatch.setenv("COMP_LINE", text)
        assert cli.main(["-sc", "query=bash"]) == 0
        return capfd.readouterr().out.split()

    assert offered("sweetspot st") == ["status"]
    assert {"data=digits", "data=mnist"} <= set(offered("sweetspot sweep data="))
    assert "search.trials=" in offered("sweetspot sweep search.tr")
    assert cli.main(["-sc", "install=zsh"]) == 2


def test_the_shell_can_install_completion():
    script = run("-sc", "install=bash").stdout
    assert "complete -o nospace" in script
