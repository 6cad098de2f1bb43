"""Settings of the commands that show pictures."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.config.section import Positive, Section
from pipeline.core.architecture import Padding, Pooling
from pipeline.core.classic_filters import CLASSIC_FILTERS, classic_filter
from pipeline.core.errors import ConfigurationError
from pipeline.core.filters import Filter

ALL_FILTERS = "all"
OWN_FILTER = "own"


class FiltersConfig(Section):
    """One filter over one picture, for `filters`."""

    kernel: str = "sobel_x"  #: a classic filter's name, or `all`
    matrix: tuple[tuple[float, ...], ...] | None = None  #: a filter of one's own instead
    factor: float | None = None  #: default: the classic filter's own, 1 for a matrix
    bias: float | None = None  #: default: the classic filter's own, 0 for a matrix
    normalise: bool = False
    stride: Annotated[int, Field(gt=0, le=10_000)] = 1
    padding: Padding = "valid"
    pooling: Pooling = "max"
    pool_size: Positive = 2
    image: str = "china"  #: a photograph of scikit-learn, `data`, or a path
    index: Annotated[int, Field(ge=0)] = 0  #: of a validation image, for `data`
    grey: bool = True
    mlflow: bool = False

    @model_validator(mode="after")
    def _filter_is_whole(self) -> Self:
        try:
            self.chosen()
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return self

    def chosen(self) -> tuple[Filter, ...]:
        """Return the filters that are asked for, with factor and bias as they are set.

        Raises
        ------
        ConfigurationError
            Not in a checked configuration: a filter is unknown or breaks a rule.
        """
        if self.matrix is not None:
            filters = [Filter(name=OWN_FILTER, rows=self.matrix)]
        elif self.kernel == ALL_FILTERS:
            filters = list(CLASSIC_FILTERS.values())
        else:
            filters = [classic_filter(self.kernel)]
        if self.normalise and self.factor is not None:
            raise ConfigurationError("factor and normalise exclude each other: both set the factor")
        return tuple(self._adjusted(kernel) for kernel in filters)

    def _adjusted(self, kernel: Filter) -> Filter:
        adjusted = Filter(
            name=kernel.name,
            rows=kernel.rows,
            factor=kernel.factor if self.factor is None else self.factor,
            bias=kernel.bias if self.bias is None else self.bias,
            does=kernel.does,
        )
        return adjusted.normalised() if self.normalise else adjusted


class MapsConfig(Section):
    """Images on their way through trained networks, for `maps`."""

    run: str | int | None = None  #: default: the sweet spot and the `cnn` reference
    images: Annotated[tuple[int | str, ...], Field(min_length=1, max_length=12)] | None = None
    label: str | int | None = None  #: default: the first class
    count: Annotated[int, Field(ge=1, le=12)] = 3
    strongest: Annotated[int, Field(ge=1, le=64)] = 8
