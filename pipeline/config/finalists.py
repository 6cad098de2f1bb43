"""Which networks are trained again after the search, and how often."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.section import Positive, Section


class FinalistsConfig(Section):
    """The final round, after the search."""

    among: Literal["front", "all"] = "front"  #: all: every network that was trained to its end
    limit: Annotated[int, Field(ge=0)]  #: the most networks to train again; 0 for none
    seeds: Positive  #: how often each is trained again, with a seed of its own each time
