import pytest

from pipeline.config.launch import seconds_of


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        ("90", 5400), ("2:30", 150), ("04:00:00", 14_400), ("1-0", 86_400), ("1-12:30", 131_400),
        ("0-00:01:05", 65),
    ],
)  # fmt: skip
def test_time_limits_as_slurm_reads_them(limit, seconds):
    assert seconds_of(limit) == seconds
