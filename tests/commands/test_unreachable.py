"""What is named on the command line and lies where nobody can look."""

import pytest

from pipeline.commands import cli

LONG = "n" * 300
PLACE = f"mlruns=/tmp/{LONG}"


@pytest.mark.parametrize(
    "words",
    [
        ["restore", f"{LONG}.zip"],
        ["maps", f"maps.run={LONG}.keras"],
        ["clean", "remove=some", PLACE],
        ["clean", "rename=some:other", PLACE],
        ["predict", "picture.png", PLACE],
        ["dashboard", f"storage.path=/tmp/{LONG}"],
    ],
    ids=lambda words: words[0],
)
def test_it_is_one_sentence(words, capsys):
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("sweetspot: /") and said.count("\n") == 1
    assert "nnn" in said and said.endswith(" cannot be read: File name too long\n")
