from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.architecture import REFERENCES
from pipeline.core.trial import (
    EpochResult,
    Outcome,
    Recipe,
    TrialRecord,
    TrialSpecification,
    derived_seed,
    specification_from_json,
    specification_to_json,
)

SPECIFICATION = TrialSpecification(
    number=7,
    architecture=REFERENCES["cnn"],
    recipe=Recipe(batch_size=64, optimizer="sgd", learning_rate=0.01, schedule="cosine"),
    seed=3,
)
EPOCH = EpochResult(
    epoch=1, train_loss=1.0, train_accuracy=0.5, val_loss=0.9, val_accuracy=0.6,
    epoch_seconds=2.0, images_per_second=100.0,
)  # fmt: skip


def test_a_record_survives_json():
    record = TrialRecord(
        specification=SPECIFICATION,
        outcome=Outcome.STOPPED,
        val_accuracy=0.6,
        costs={"macs": 5.0},
        history=(EPOCH,),
        reason="others are ahead",
        started=1.0,
    )
    assert TrialRecord.from_json(record.to_json()) == record
    running = replace(record, outcome=None)
    assert TrialRecord.from_json(running.to_json()) == running


def test_a_specification_survives_json():
    assert specification_from_json(specification_to_json(SPECIFICATION)) == SPECIFICATION


def test_what_an_earlier_version_lacks_is_read_as_it_was():
    values = specification_to_json(SPECIFICATION)
    del values["repetition"]
    assert specification_from_json(values) == SPECIFICATION


def test_labels_name_the_reference_or_the_network():
    assert SPECIFICATION.label == "7 64k3-64k3-d128"
    assert replace(SPECIFICATION, number=1, reference="cnn").label == "1 cnn"


def test_metrics_leave_the_epoch_out():
    assert EPOCH.metrics() == {
        "train_loss": 1.0, "train_accuracy": 0.5, "val_loss": 0.9, "val_accuracy": 0.6,
        "epoch_seconds": 2.0, "images_per_second": 100.0,
    }  # fmt: skip


@given(st.integers(), st.integers())
def test_derived_seeds_are_stable_and_in_range(seed, number):
    assert derived_seed(seed, number) == derived_seed(seed, number)
    assert 0 <= derived_seed(seed, number) < 2**31


def test_derived_seeds_differ():
    assert len({derived_seed("trial", 0, number) for number in range(1000)}) == 1000
