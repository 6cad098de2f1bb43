import pytest

from pipeline.core.exports import FORMATS, export_failure


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_equal_passes(form):
    found = export_failure(form, same_labels=1.0, accuracy=0.9, trained_accuracy=0.9)
    assert found is None


@pytest.mark.parametrize("form", ["onnx", "saved_model"])
@pytest.mark.parametrize(("same", "said"), [(0.999, ""), (0.9989, "99.89% of the labels")])
def test_labels_have_to_be_the_same(form, same, said):
    found = export_failure(form, same_labels=same, accuracy=0.1, trained_accuracy=0.9)
    assert (found is None) == (not said)
    assert said in (found or "")


@pytest.mark.parametrize(("accuracy", "said"), [(0.8951, ""), (0.894, "0.60 points"), (1.0, "")])
def test_eight_bits_may_cost_half_a_point(accuracy, said):
    found = export_failure("onnx_int8", same_labels=0.97, accuracy=accuracy, trained_accuracy=0.9)
    assert (found is None) == (not said)
    assert said in (found or "")
