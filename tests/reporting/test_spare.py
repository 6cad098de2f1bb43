import pytest

from pipeline.core.architecture import Architecture
from pipeline.core.trial import Outcome, Recipe, TrialRecord, TrialSpecification
from pipeline.reporting.spare import spare_files
from pipeline.tracking.event_log import EventLog, trial_log_path
from pipeline.tracking.events import Ended, Started, record

RECIPE = Recipe(batch_size=128, optimizer="adam", learning_rate=0.001, schedule="one_cycle")


def checkpoint(folder, number, outcome):
    """Leave a trial's checkpoint, and its log as far as it came."""
    spec = TrialSpecification(number=number, architecture=Architecture(), recipe=RECIPE, seed=1)
    with EventLog(trial_log_path(folder, number)) as log:
        record(
            log, Started(attempt=0, specification=spec, worker="0", host="box", pid=1, device={})
        )
        if outcome is not None:
            record(log, Ended(attempt=0, record=TrialRecord(specification=spec, outcome=outcome)))
    return put(folder, f"checkpoints/{number:04d}.npz")


def put(folder, name):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_checkpoint_goes_when_its_trial_is_over(tmp_path, outcome):
    path = checkpoint(tmp_path, 3, outcome)
    assert spare_files(tmp_path) == ([] if outcome is Outcome.INTERRUPTED else [path])


def test_the_checkpoint_of_a_trial_without_an_end_stays(tmp_path):
    checkpoint(tmp_path, 3, None)
    put(tmp_path, "checkpoints/0007.npz")  # of a trial that nobody knows
    assert spare_files(tmp_path) == []


def test_what_killed_processes_left_goes_and_results_stay(tmp_path):
    left = [
        put(tmp_path, ".summary.json.x7"), put(tmp_path, "checkpoints/.0001-ab.npz"),
        put(tmp_path, "logs/worker-001.log"), put(tmp_path, "models/.0001-77.keras"),
    ]  # fmt: skip
    for name in (
        "models/0001.keras", "models/0001.right.npy", "summary.json", "config.yaml",
        ".mirror.lock", "results.lock", "events/sweep.jsonl", "figures/front.png",
    ):  # fmt: skip
        put(tmp_path, name)
    assert spare_files(tmp_path) == left
