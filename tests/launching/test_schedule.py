from pathlib import Path

import pytest

from pipeline.config import SlurmLaunch
from pipeline.core.errors import ConfigurationError
from pipeline.launching.schedule import (
    ScheduledSweep,
    ScheduleError,
    crontab_entry,
    install,
    scrontab_entry,
    with_entry,
)


def scheduled(*words, sweep="nightly", environment=None):
    return ScheduledSweep(
        sweep=sweep,
        when="0 2 * * *",
        words=words,
        project=Path("/my project"),
        python=Path("/p/.venv/bin/python"),
        environment=environment or {},
    )


def test_the_line_for_cron():
    entry = crontab_entry(
        scheduled("data=mnist", "sweep_name=100%", environment={"SWEETSPOT_DATA_DIR": "/a b"})
    )
    assert entry == (
        "# sweetspot nightly: begin\n"
        "0 2 * * * cd '/my project' && SWEETSPOT_DATA_DIR='/a b' /p/.venv/bin/python -m pipeline "
        "sweep --scheduled data=mnist sweep_name=100\\%\n"
        "# sweetspot nightly: end\n"
    )


@pytest.mark.parametrize("word", ["a=b\n* * * * * reboot", "a=\x00", "a=" + 1000 * "x"])
def test_what_is_no_line_for_cron_is_refused(word):
    with pytest.raises(ConfigurationError, match="conf/experiment/"):
        crontab_entry(scheduled(word))


def test_the_entry_for_scrontab():
    launch = SlurmLaunch(
        kind="slurm", workers=2, threads="auto", follow=False, notice_seconds=60, requeues=9,
        cpus=1, gpus=0, partition="gpu", account="vision",
    )  # fmt: skip
    entry = scrontab_entry(scheduled("launch=slurm"), launch, Path("/runs/100%.log"))
    assert entry.splitlines()[1:-1] == [
        "#SCRON --job-name=sweetspot-schedule-nightly",
        "#SCRON --time=15",
        "#SCRON --open-mode=append",
        "#SCRON --output=/runs/100%%.log",
        "#SCRON --partition=gpu",
        "#SCRON --account=vision",
        "0 2 * * * cd '/my project' && /p/.venv/bin/python -m pipeline sweep --scheduled "
        "launch=slurm",
    ]
    with pytest.raises(ConfigurationError, match="cannot write its log"):
        scrontab_entry(scheduled(), launch, Path("/a b.log"))


def test_an_entry_replaces_its_own_and_nothing_else():
    other = crontab_entry(scheduled(sweep="nightly-2"))
    table = "MAILTO=me\n" + crontab_entry(scheduled("a=1")) + other
    entry = crontab_entry(scheduled("a=2"))
    after = with_entry(table, "nightly", entry)
    assert after == "MAILTO=me\n" + other + entry
    assert with_entry(after, "nightly", entry) == after
    assert with_entry("MAILTO=me", "nightly", entry) == "MAILTO=me\n" + entry


@pytest.fixture
def crontab(tmp_path, monkeypatch):
    """Put a crontab on the PATH that keeps its table in a file."""
    table = tmp_path / "table"
    path = tmp_path / "crontab"
    path.write_text(
        f'#!/bin/sh\nif [ "$1" = -l ]; then cat {table} 2>/dev/null || '
        f"{{ echo no crontab for me >&2; exit 1; }}; else cat > {table}; fi\n"
    )
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return table


def test_installing_twice_changes_nothing(crontab):
    entry = crontab_entry(scheduled())
    assert install("crontab", "nightly", entry)
    assert not install("crontab", "nightly", entry)
    assert crontab.read_text() == entry


def test_a_crontab_that_cannot_be_read_is_left_alone(crontab, tmp_path):
    (tmp_path / "crontab").write_text("#!/bin/sh\necho you may not >&2; exit 1\n")
    with pytest.raises(ScheduleError, match="crontab -l failed: you may not"):
        install("crontab", "nightly", "entry\n")
    assert not crontab.exists()


def test_without_the_program_nothing_is_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="--install needs scrontab, which is not on the"):
        install("scrontab", "nightly", "entry\n")


def test_what_else_is_in_a_crontab_stays_byte_for_byte(crontab):
    others = b"# f\xfcr die Kollegen\r\n5 4 * * * caf\xe9\n\xff"
    crontab.write_bytes(others)
    entry = crontab_entry(scheduled())
    assert install("crontab", "nightly", entry)
    assert crontab.read_bytes() == others + b"\n" + entry.encode()
    assert not install("crontab", "nightly", entry)


def test_a_reason_that_is_no_text_is_told_as_far_as_it_is(crontab, tmp_path):
    (tmp_path / "crontab").write_bytes(b"#!/bin/sh\necho 'verw\xe4hrt' >&2; exit 1\n")
    with pytest.raises(ScheduleError, match="crontab -l failed: verw�hrt"):
        install("crontab", "nightly", "entry\n")
