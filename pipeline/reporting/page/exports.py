"""The sweet spot, and whatever else was exported, in other formats: checked, and timed."""

from dataclasses import dataclass

from pipeline.reporting.exports import COLUMNS, export_failures, export_note, export_rows
from pipeline.reporting.page.sources import ReportSources


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportTable:
    """A network's formats, by ``columns``."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str
    failures: tuple[str, ...]


def export_tables(sources: ReportSources) -> tuple[ExportTable, ...]:
    """Return a table for each network that was exported."""
    titles = {network.trial: network.title for network in sources.networks}
    return tuple(
        ExportTable(
            title=titles.get(outcome["trial"], f"trial {outcome['trial']}"),
            columns=COLUMNS,
            rows=tuple(export_rows(outcome)),
            note=export_note(outcome),
            failures=tuple(export_failures(outcome)),
        )
        for outcome in sources.exports
    )
