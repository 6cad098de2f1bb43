from dataclasses import replace

from pipeline.core.architecture import Architecture
from pipeline.core.proposal import Proposal, dimensions_of, front_proposals
from pipeline.core.trial import Outcome, Recipe, TrialRecord, TrialSpecification

RECIPE = Recipe(batch_size=128, optimizer="adam", learning_rate=1e-3, schedule="constant")
VALUES = {
    "depth": 2, "filters_1": 16, "kernel_size_1": 3, "padding_1": "valid", "pooling_1": "max",
    "normalisation_1": "none", "filters_2": 8, "kernel_size_2": 5, "padding_2": "same",
    "pooling_2": "average", "normalisation_2": "batch", "dense_units": 128, "dropout": 0.0,
    "batch_size": 128, "optimizer": "adam", "learning_rate": 1e-3, "schedule": "constant",
    "augmentation": "none",
}  # fmt: skip


def record(number, text, reference=None):
    return TrialRecord(
        specification=TrialSpecification(
            number=number,
            architecture=Architecture.parse(text),
            recipe=RECIPE,
            seed=number,
            reference=reference,
        ),
        outcome=Outcome.COMPLETE,
        val_accuracy=0.9,
    )


def test_values_have_the_spaces_names():
    network = Architecture.parse("16k3-8k5sab-d128")
    assert dimensions_of(network, RECIPE) == VALUES
    longer = replace(RECIPE, epochs=4)
    assert dimensions_of(network, longer) == VALUES | {"epochs": 4}


def test_a_front_proposes_what_no_sweep_has_and_nobody_named():
    records = [record(0, "d128", "dnn"), record(2, "8k3-d16"), record(3, "16k3-d16"),
               record(4, "8k3-d16")]  # fmt: skip
    named = Proposal(architecture=Architecture.parse("16k3-d16"), recipe=RECIPE)
    found = front_proposals(records, [0, 4, 3, 2, 9], [named])
    assert [proposal.architecture.notation for proposal in found] == ["8k3-d16"]


def test_a_proposal_survives_its_file():
    proposal = Proposal(architecture=Architecture.parse("8k5sb-d16p0.3"), recipe=RECIPE)
    assert Proposal.from_json(proposal.to_json()) == proposal
