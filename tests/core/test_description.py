import json

from pipeline.core.description import DataDescription


def test_a_description_survives_json():
    description = DataDescription(
        name="folder", fingerprint="0" * 64, train=5, validation=2, test=3,
        image_shape=(8, 9, 3), classes=("cat", "dog"),
    )  # fmt: skip
    again = DataDescription.from_json(json.loads(json.dumps(description.to_json())))
    assert again == description
    assert hash(again) == hash(description)
