import json
import socket
import threading
import urllib.request

import pytest

from pipeline.core.errors import StorageError
from pipeline.search.dashboard import HOST, serve_dashboard
from pipeline.search.study import SweepStudy


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_dashboard_has_the_sweeps_study(config, space):
    SweepStudy(config, space)
    ports: list[int] = []
    ready = threading.Event()

    def say(port: int) -> None:
        ports.append(port)
        ready.set()

    threading.Thread(target=serve_dashboard, args=(config, 0, say), daemon=True).start()
    assert ready.wait(30)
    with urllib.request.urlopen(f"http://{HOST}:{ports[0]}/api/studies", timeout=30) as answer:
        studies = json.load(answer)["study_summaries"]
    assert [study["study_name"] for study in studies] == ["test"]


def test_without_a_study_or_a_port_there_is_a_sentence(config, space):
    with pytest.raises(StorageError, match=r"there is no study in .* yet"):
        serve_dashboard(config, 0, print)
    SweepStudy(config, space)
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StorageError, match=rf"port {port} .* cannot be had"):
            serve_dashboard(config, port, print)
