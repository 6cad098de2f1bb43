"""sweetspot: is there a convolutional network that is both faster and more accurate?

In a notebook::

    import pipeline
    sweep = pipeline.load_sweep()   # the one that changed last; or by its name
    sweep.trials()                  # every trial, as a pandas DataFrame
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.reporting.notebook import Picture, Sweep, load_sweep

__version__ = "0.1.0"
__all__ = ["Picture", "Sweep", "__version__", "load_sweep"]


def __getattr__(name: str) -> Any:
    # Every command imports this package first: it loads nothing until it is asked (PEP 562).
    if name in ("Picture", "Sweep", "load_sweep"):
        from pipeline.reporting import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
