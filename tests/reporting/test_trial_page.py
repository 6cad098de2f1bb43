import io

from pipeline.config import command_at
from pipeline.core.architecture import Architecture
from pipeline.core.journey import shape_journey
from pipeline.core.trial import EpochResult, Outcome, Recipe, TrialRecord, TrialSpecification
from pipeline.reporting.trial_page import show_trial
from pipeline.tracking.event_log import EventLog, trial_log_path
from pipeline.tracking.events import Ended, EpochEnded, Measured, Started, record

SPECIFICATION = TrialSpecification(
    number=0, architecture=Architecture.parse("8k3-d4"), seed=1,
    recipe=Recipe(batch_size=128, optimizer="adam", learning_rate=0.004, schedule="one_cycle"),
)  # fmt: skip
EPOCH = EpochResult(
    epoch=1, train_loss=1.0, train_accuracy=0.5, val_loss=0.9, val_accuracy=0.6,
    epoch_seconds=2.0, images_per_second=1234.0,
)  # fmt: skip


def shown(folder):
    stream = io.StringIO()
    show_trial(folder, 0, stream)
    return stream.getvalue()


def test_everything_that_was_measured_is_shown(tmp_path):
    costs = {"macs": 12.0, "latency_ms": 0.5, "epoch_seconds": 3.0}
    with EventLog(trial_log_path(tmp_path, 0)) as log:
        record(log, Started(attempt=0, specification=SPECIFICATION, worker="w", host="h", pid=1))
        journey = shape_journey(SPECIFICATION.architecture, (28, 28, 1), 10)
        measured = {
            "latency_batch_size": 1.0, "latency_low_ms": 0.45, "latency_high_ms": 0.55,
            "latency_p90_ms": 0.61, "latency_p99_ms": 0.77, "latency_ratio": 0.81,
            "latency_measured_ms": 0.53,
            "latency_256_ms": 20.5, "latency_256_low_ms": 19.5, "latency_256_high_ms": 21.5,
            "latency_256_images_per_second": 12488.0, "latency_256_noisy": 1.0,
            "epoch_low_seconds": 2.91, "epoch_high_seconds": 3.12, "epoch_cpu_joules": 88.4,
            "host_peak_memory_mib": 512.0,
        }  # fmt: skip
        record(
            log,
            Measured(attempt=0, costs=costs, measurements=measured, summary="", journey=journey),
        )
        record(log, EpochEnded(attempt=0, result=EPOCH))
        assert "is still running" in shown(tmp_path)
        result = TrialRecord(
            specification=SPECIFICATION, outcome=Outcome.STOPPED, val_accuracy=0.6, costs=costs,
            measurements=measured, history=(EPOCH,), reason="others are [ahead]",
        )  # fmt: skip
        record(log, Ended(attempt=0, record=result))
    text = shown(tmp_path)
    for part in ("26×26×8", "13×13×8", "0.45 to 0.55", "1,234", "60.00%", "in all"):
        assert part in text
    for part in ("2.91 to 3.12", "88.4", "512", "0.61", "0.77", "0.53", "19.5 to 21.5", "12,488"):
        assert part in text
    assert "noisy" in text
    assert "The trial ended stopped: others are [ahead]; validation accuracy 60.00%." in text


def test_a_trial_that_has_not_started(tmp_path):
    assert "has not started" in shown(tmp_path)


def test_small_images_are_timed_beside_the_dnn(tmp_path):
    for name, side in (("cnn", 28), ("dnn", 8)):
        folder = tmp_path / name
        journey = shape_journey(SPECIFICATION.architecture, (side, side, 1), 10)
        measured = {"latency_batch_size": 1.0, "latency_ratio": 0.81}
        with EventLog(trial_log_path(folder, 0)) as log:
            record(
                log, Started(attempt=0, specification=SPECIFICATION, worker="w", host="h", pid=1)
            )
            record(
                log, Measured(attempt=0, costs={}, measurements=measured, summary="",
                              journey=journey)
            )  # fmt: skip
        text = shown(folder)
        assert f"Latency, taken in turn with the {name} reference" in text
        assert f"share of the {name}'s" in text


def test_it_says_where_its_curves_are_where_there_are_any(tmp_path):
    folder = tmp_path / "sweeps" / "one"
    with EventLog(trial_log_path(folder, 0)) as log:
        record(log, Started(attempt=0, specification=SPECIFICATION, worker="w", host="h", pid=1))
    assert shown(folder).splitlines()[-1] == str(folder)
    assert "MLflow" not in shown(folder)
    (folder / "config.yaml").write_text("tracking: {enabled: true, uri: null}")
    known = f"{command_at(tmp_path, 'ui')}  (its curves, summary and model, in MLflow)"
    assert shown(folder).splitlines()[-2:] == [known, str(folder)]
