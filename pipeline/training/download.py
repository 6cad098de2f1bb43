"""Keras' download of one data set into ``KERAS_HOME``: ``python -m ... fashion_mnist``.

Run by ``pipeline.data.download``. The last line on stderr is the reason of a failure.
"""

import socket
import sys

from pipeline.training.backend import keras

QUIET_SECONDS = 10.0  #: a connection on which nothing arrives for so long is given up


def main(name: str) -> None:
    """Download ``fashion_mnist`` or ``mnist``; exit with the reason if that fails."""
    socket.setdefaulttimeout(QUIET_SECONDS)
    try:
        getattr(keras.datasets, name).load_data()
    # Keras raises plain Exception where a download fails.
    except Exception as error:
        print()  # the progress bar leaves its line open
        sys.exit(" ".join(str(error).split()) or type(error).__name__)


if __name__ == "__main__":
    main(sys.argv[1])
