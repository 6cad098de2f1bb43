import io

from pipeline.config import command_at
from pipeline.reporting.listing import folder_bytes, list_sweeps, show_sweeps


def sweep(mlruns, name, size):
    folder = mlruns / "sweeps" / name / "models"
    folder.mkdir(parents=True)
    (folder / "0000.keras").write_bytes(b"x" * size)
    (folder.parent / "config.yaml").touch()
    return folder.parent


def shown(mlruns):
    stream = io.StringIO()
    show_sweeps(mlruns, stream)
    return stream.getvalue()


def test_without_a_sweep_it_says_so(tmp_path):
    assert "There is no sweep under" in shown(tmp_path)


def test_sizes_count_everything_below(tmp_path):
    folder = sweep(tmp_path, "one", 2_500_000)
    assert folder_bytes(folder) == 2_500_000
    (entry,) = list_sweeps(tmp_path)
    assert (entry.name, entry.trials, entry.sweet_spot) == ("one", None, None)
    assert "2.5 MB" in shown(tmp_path)


def test_names_are_shown_as_they_are(tmp_path):
    sweep(tmp_path, "[red]x", 1)
    assert "[red]x" in shown(tmp_path)


def test_what_can_be_done_with_them_can_be_typed_as_it_is(tmp_path):
    sweep(tmp_path, "one", 1)
    assert f"\n{command_at(tmp_path, 'clean', 'free=NAME')} frees" in shown(tmp_path)
