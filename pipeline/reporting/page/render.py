"""The page: sections, style and script in one file that asks nobody for anything.

The browser is told so too: its policy allows this page's own script, by digest, and nothing
from anywhere. Whatever text comes in is escaped by the templates.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.core.summary import ended_trials, open_trials
from pipeline.reporting.leading_on import sweep_command
from pipeline.reporting.page.course import course_view
from pipeline.reporting.page.curves import curve_panels
from pipeline.reporting.page.exports import export_tables
from pipeline.reporting.page.front import front_view
from pipeline.reporting.page.maps import maps_view
from pipeline.reporting.page.mattered import mattered_view
from pipeline.reporting.page.networks import networks_view
from pipeline.reporting.page.provenance import moment_text, provenance_view
from pipeline.reporting.page.sources import ReportSources
from pipeline.reporting.page.text import plain, shown
from pipeline.reporting.page.trials import details
from pipeline.reporting.page.verdict import verdict
from pipeline.reporting.wording import counted

_FOLDER = Path(__file__).parent / "templates"


def render_page(sources: ReportSources) -> bytes:
    """Return the page as UTF-8."""
    script = _text("page.js")
    ended, still_open = ended_trials(sources.summary), open_trials(sources.summary)
    page = _template().render(
        sweep=sources.summary["sweep"],
        data=sources.summary["data"],
        state=f"{counted(ended, 'trial')} ended"
        + (
            f", {counted(still_open, 'trial')} not ended yet (reload for news)"
            if still_open
            else ""
        ),
        written=moment_text(sources.written),
        version=__version__,
        verdict=verdict(sources),
        front=front_view(sources),
        networks=networks_view(sources),
        exports=export_tables(sources),
        maps=maps_view(sources),
        maps_command=sweep_command(sources.sweep_dir, "maps", sources.summary["sweep"]),
        mattered=mattered_view(sources),
        course=course_view(sources),
        panels=curve_panels(sources),
        provenance=provenance_view(sources),
        summary=plain(sources.summary),
        details=details(sources),
        style=_markup(_text("page.css")),
        script=_markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
    )
    # Names may hold what no encoding can write; a report is made all the same.
    content: bytes = page.encode("utf-8", errors="replace")
    return content


@cache
def _template() -> Any:
    # Only whoever writes a report pays for jinja2.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _markup(text: str) -> Any:
    """Return our own style or script, which is not escaped."""
    from markupsafe import Markup

    return Markup(text)
