from dataclasses import replace
from typing import Any

from pipeline.reporting.page.exports import export_tables
from pipeline.reporting.page.render import render_page
from pipeline.reporting.page.sources import ReportSources


def test_what_was_exported_has_a_table_by_the_name_it_has_elsewhere(
    sources: ReportSources, exported: dict[str, Any]
) -> None:
    assert export_tables(sources) == ()
    assert b'id="exports"' not in render_page(sources)
    other = exported | {"trial": 2}
    told = replace(sources, exports=[other, exported])
    tables = export_tables(told)
    assert [table.title for table in tables] == ["trial 2", "sweet spot"]
    assert [len(table.rows) for table in tables] == [4, 4]
    page = render_page(told).decode()
    assert 'id="exports"' in page and 'href="#exports"' in page
    assert "ONNX int8 is not kept: eight bits cost 1.90 points" in page
