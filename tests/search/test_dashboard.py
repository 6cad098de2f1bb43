import json
import socket
import threading
from urllib.request import urlopen
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.trial import create_trial
from optuna_dashboard import wsgi

from pipeline.core.errors import StorageError
from pipeline.search.dashboard import dashboard_server, without_parameters
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


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_every_address_of_this_machine_answers(config, space, host):
    SweepStudy(config, space)
    with dashboard_server(config, host, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        name = f"[{host}]" if ":" in host else host
        with urlopen(f"http://{name}:{server.server_port}/api/meta", timeout=60) as answer:
            assert answer.status == 200
        server.shutdown()


def test_objectives_have_their_names_in_both_studies(config, space):
    study = SweepStudy(config, space)
    assert study._study.metric_names == ["val_accuracy", "macs"]
    assert study.finalists._study.metric_names == ["val_accuracy", "macs"]


@pytest.mark.parametrize("parameters", [False, True])
def test_importances_of_a_study_without_parameters_are_none_and_no_failure(parameters):
    study = optuna.create_study(directions=["maximize", "minimize"])
    known = {"depth": 1} if parameters else {}
    distributions: dict[str, BaseDistribution] = {name: IntDistribution(0, 3) for name in known}
    for value in (1.0, 2.0, 3.0):
        study.add_trial(
            create_trial(values=[value, value], params=known, distributions=distributions)
        )
    said = []

    def start_response(status, headers, exc_info=None):
        said.append(status)

    pages = without_parameters(wsgi(study._storage), study._storage)

    def asked(path):
        environ = {"PATH_INFO": path}
        setup_testing_defaults(environ)
        return b"".join(pages(environ, start_response))

    path = f"/api/studies/{study._study_id}/param_importances"
    found = json.loads(asked(path))["param_importances"]
    names = [[item["name"] for item in importances] for importances in found]
    assert names == ([["depth"], ["depth"]] if parameters else [[], []])
    asked(path.replace("/0/", "/9/"))
    asked("/api/meta")
    assert [status[:3] for status in said] == ["200", "404", "200"]
