from markupsafe import Markup

from pipeline.reporting.page.text import plain, shown, without_passwords


def test_what_no_page_can_show_is_replaced() -> None:
    assert shown("a\x1b[31m\u202eb\ud800\nc") == "a�[31m�b�\nc"
    assert shown("👨‍👩‍👧 <b>") == "👨‍👩‍👧 <b>"
    assert shown(3) == 3
    assert shown(Markup("<b>")) == "<b>"


def test_plain_values_have_neither_nan_nor_control_characters() -> None:
    assert plain({"a\x00": [float("nan"), float("inf"), 1.5, None, ("x\x07", True)]}) == {
        "a�": [None, None, 1.5, None, ["x�", True]]
    }


def test_passwords_in_addresses_are_hidden() -> None:
    text = "path: postgresql://someone:se:cret@host/optuna\nuri: http://host:5000/x"
    assert without_passwords(text) == (
        "path: postgresql://someone:…@host/optuna\nuri: http://host:5000/x"
    )
