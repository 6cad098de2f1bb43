import socket

import pytest

from pipeline.core.errors import StorageError
from pipeline.search.dashboard import HOST, serve_dashboard
from pipeline.search.study import SweepStudy


def test_without_a_study_or_a_port_there_is_a_sentence(config, space):
    with pytest.raises(StorageError, match=r"there is no study in .* yet"):
        serve_dashboard(config, 0, print)
    SweepStudy(config, space)
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StorageError, match=rf"port {port} .* cannot be had"):
            serve_dashboard(config, port, print)
