import pytest

from pipeline.core.errors import one_of


@pytest.mark.parametrize(
    ("values", "text"),
    [([], "nothing"), (["a"], "a"), (["a", "b"], "a or b"), (["a", 2, "c"], "a, 2 or c")],
)
def test_choices_read_as_a_sentence(values, text):
    assert one_of(values) == text
