"""optuna-dashboard over the study storage."""

from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from pipeline.config import Config
from pipeline.core.errors import StorageError
from pipeline.search.opening import open_storage


class _Server(ThreadingMixIn, WSGIServer):
    """Answers further requests while it computes importances."""

    daemon_threads = True


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

    if config.storage.kind == "journal" and not config.storage_path.exists():
        raise StorageError(f"there is no study in {config.storage_path} yet: make sweep makes one")
    application = wsgi(open_storage(config).optuna)
    try:
        return make_server(host, port, application, _Server, _Silent)
    except OSError as error:
        raise StorageError(
            f"port {port} of {host} cannot be had ({error.strerror}), choose another with port=8081"
        ) from error
