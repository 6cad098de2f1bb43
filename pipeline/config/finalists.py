"""Which members of the front are trained again, and how often."""

from typing import Annotated

from pydantic import Field

from pipeline.config.section import Positive, Section


class FinalistsConfig(Section):
    """The final round, after the search."""

    limit: Annotated[int, Field(ge=0)]  #: members of the front to train again; 0 for none
    seeds: Positive  #: how often each is trained again, with a seed of its own each time
