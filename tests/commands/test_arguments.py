import pytest

from pipeline.commands.arguments import CommandLine
from pipeline.core.errors import ConfigurationError


def test_words_are_sorted_out():
    words = ["--dry-run", "data=mnist", "name", "--cfg", "job", "~search", "--resolve", "-m"]
    line = CommandLine.parse("sweep", words, flags=["--dry-run"], names=1)
    assert line.names == ("name",)
    assert line.flags == {"--dry-run", "-m"}
    assert line.hydra == ("--cfg", "job", "--resolve")
    assert line.overrides == ("data=mnist", "~search")
    assert line.multirun and line.asks_hydra and not line.help


@pytest.mark.parametrize(
    ("command", "words", "said"),
    [
        ("sweep", ["--fast"], "'--fast' is not a flag of sweep; choose --dry-run, --multirun"),
        ("status", ["--multirun"], "--multirun works with sweep and train, not with status"),
        ("sweep", ["name"], "'name' is not a setting"),
        ("status", ["one", "two"], "status takes one sweep name"),
        (
            "restore",
            ["a.zip", "b.zip"],
            r"'b.zip' is not a setting; .* \(restore takes one archive\)",
        ),
    ],
)
def test_words_that_a_command_does_not_take(command, words, said):
    with pytest.raises(ConfigurationError, match=said):
        CommandLine.parse(command, words, flags=["--dry-run"], names=0 if command == "sweep" else 1)


def test_hydra_flags_run_unless_they_show_something():
    assert not CommandLine.parse("sweep", ["--config-dir=/x"]).asks_hydra
    assert CommandLine.parse("sweep", ["--info=config"]).asks_hydra


@pytest.mark.parametrize("command", ["predict", "restore"])
def test_a_file_with_an_equals_sign_is_a_file(command, tmp_path):
    file = tmp_path / "lr=0.1.zip"
    file.touch()
    line = CommandLine.parse(command, [str(file), "data=mnist"], names=1)
    assert (line.names, line.overrides) == ((str(file),), ("data=mnist",))
    assert CommandLine.parse("status", [str(file)]).overrides == (str(file),)


@pytest.mark.parametrize("command", ["predict", "restore"])
def test_a_file_may_be_below_a_home_folder_that_the_shell_has_left(command, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    line = CommandLine.parse(command, ["~/b.zip", "~search"], names=1)
    assert (line.names, line.overrides) == ((f"{tmp_path}/b.zip",), ("~search",))


@pytest.mark.parametrize("flag", ["--config-dir", "-cd"])
def test_a_folder_of_ones_own_is_the_same_from_everywhere(flag, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = f"--config-dir={tmp_path}/mine"
    for words in ([flag, "mine"], [f"{flag}=mine"]):
        line = CommandLine.parse("schedule", [*words, "data=mnist"])
        assert (line.hydra, line.overrides) == ((said,), ("data=mnist",))
        assert line.config_dirs == (tmp_path / "mine",)
    assert CommandLine.parse("schedule", [flag]).hydra == (flag,)


def test_any_number_of_words_where_a_command_takes_pictures():
    words = ["a.png", "-", "folder", "--json", "model=champion"]
    line = CommandLine.parse("predict", words, flags=("--json",), names=None)
    assert line.names == ("a.png", "-", "folder")
    assert line.flags == {"--json"}
    assert line.overrides == ("model=champion",)


def test_what_is_said_is_known_without_its_marks():
    line = CommandLine(command="sweep", overrides=("data=mnist", "++search.seed=1", "~tracking"))
    assert line.said == ("data", "search.seed", "tracking")


def test_a_commands_own_setting_is_taken_out_and_the_last_one_counts():
    line = CommandLine(command="export", overrides=("trial=1", "data=mnist", "trial=a=b"))
    given, rest = line.taking("trial")
    assert given == "a=b"
    assert rest == CommandLine(command="export", overrides=("data=mnist",))
    assert rest.taking("trial") == (None, rest)
