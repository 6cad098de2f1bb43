import socket

import pytest

from pipeline.core.errors import StorageError
from pipeline.search.dashboard import dashboard_server
from pipeline.search.study import SweepStudy

HOST = "127.0.0.1"


def test_without_a_study_or_a_port_there_is_a_sentence(config, space):
    with pytest.raises(StorageError, match=r"there is no study in .* yet"):
        dashboard_server(config, HOST, 0)
    SweepStudy(config, space)
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StorageError, match=rf"port {port} .* cannot be had"):
            dashboard_server(config, HOST, port)
