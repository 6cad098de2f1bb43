import pytest

from pipeline.core.architecture import Architecture
from pipeline.core.journey import macs
from pipeline.core.trial import TrialSpecification
from pipeline.testing.neighbours import NearestCurves


def asked(recording, notation):
    return NearestCurves(recording)(
        TrialSpecification(
            number=0,
            architecture=Architecture.parse(notation),
            recipe=recording.curves[0].recipe,
            seed=0,
        )
    )


def test_a_recorded_network_learns_as_it_did(recording):
    for curve in recording.curves[:3]:
        found = asked(recording, curve.architecture.notation)
        assert found.val_accuracy == pytest.approx(curve.val_accuracy, abs=1e-4)
        assert dict(found.costs) == pytest.approx(dict(curve.costs), rel=1e-4)


def test_another_network_learns_as_its_neighbours_at_its_own_cost(recording):
    found = asked(recording, "64k5s-64k5s-d48")
    assert found.val_accuracy == pytest.approx((0.5, 0.6, 0.65, 0.7))
    assert found.costs["macs"] == macs(Architecture.parse("64k5s-64k5s-d48"), (28, 28, 1), 10)
    assert found.costs["epoch_seconds"] == pytest.approx(found.costs["macs"] / 1e6)
