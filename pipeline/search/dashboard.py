"""optuna-dashboard over the study storage."""

import json
import re
import socket
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
from optuna.trial import TrialState

from pipeline.config import Config
from pipeline.core.errors import StorageError
from pipeline.core.places import looking_at
from pipeline.search.opening import open_storage

_IMPORTANCES = re.compile(r"/api/studies/(\d+)/param_importances")


class _Server(ThreadingMixIn, WSGIServer):
    """Answers further requests while it computes importances."""

    daemon_threads = True

    def __init__(self, server_address: tuple[str, int], handler: type[WSGIRequestHandler]) -> None:
        is_ipv6 = ":" in server_address[0]
        self.address_family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
        super().__init__(server_address, handler)


class _Silent(WSGIRequestHandler):
    """Writes no line a request."""

    def log_message(self, format: str, *values: object) -> None:
        pass


def dashboard_server(config: Config, host: str, port: int) -> WSGIServer:
    """Return optuna-dashboard's server, which listens but does not answer yet.

    It runs in this process: the command line of another one would show everybody the address of
    the storage.

    Parameters
    ----------
    port
        0 takes a free one.

    Raises
    ------
    StorageError
        There is no study yet, or the port cannot be had.
    """
    from optuna_dashboard import wsgi

    with looking_at(config.storage_path):
        is_there = config.storage.kind != "journal" or config.storage_path.exists()
    if not is_there:
        raise StorageError(f"there is no study in {config.storage_path} yet: make sweep makes one")
    storage = open_storage(config).optuna
    application = without_parameters(wsgi(storage), storage)
    try:
        return make_server(host, port, application, _Server, _Silent)
    except OSError as error:
        raise StorageError(
            f"port {port} of {host} cannot be had ({error.strerror}), choose another with port=8081"
        ) from error


def without_parameters(
    pages: Callable[..., Iterable[bytes]], storage: optuna.storages.BaseStorage
) -> Callable[..., Iterable[bytes]]:
    """Return the pages, but for importances in a study where nothing has a parameter.

    Such are a sweep whose references alone have ended, and every final round. optuna-dashboard
    0.21 divides by the number of parameters there, and reports a failure of the server.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked = _IMPORTANCES.fullmatch(environ.get("PATH_INFO", ""))
        if asked is None:
            return pages(environ, start_response)
        try:
            trials = storage.get_all_trials(
                int(asked[1]), deepcopy=False, states=(TrialState.COMPLETE,)
            )
            objectives = len(storage.get_study_directions(int(asked[1])))
        except KeyError:  # there is no such study, which the pages say
            return pages(environ, start_response)
        if any(trial.params for trial in trials):
            return pages(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"param_importances": [[]] * objectives}).encode()]

    return answer
