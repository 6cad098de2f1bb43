"""A gate before another project's server, which ends with the one and with the other."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from pipeline.commands.addresses import Address
from pipeline.commands.serving import become_server
from pipeline.core.errors import StorageError

SCRIPT = """
import os, signal, sys
from pathlib import Path
from pipeline.commands.addresses import Address
from pipeline.commands.serving import become_server
from pipeline.core.errors import StorageError

signal.signal(signal.SIGHUP, signal.SIG_IGN if "nohup" in sys.argv else signal.SIG_DFL)
SERVER = (
    "import os, sys, time; password = os.environ.get('SWEETSPOT_PASSWORD', 'nothing'); "
    "open(sys.argv[1], 'w').write(f'{{os.getpid()}} {{password}}'); time.sleep({})"
)

def command(host, port):
    seconds = sys.argv[2]
    return [sys.executable, "-c", SERVER.format(seconds) + "; sys.exit(3)", sys.argv[1]]

try:
    become_server(Address(host="127.0.0.1", port=0, password="secret"), command, os.environ, "here")
except StorageError as error:
    print(error, flush=True)
    sys.exit(2)
"""


@contextmanager
def served(folder, seconds, *words):
    """Start a gate before a server that ends by itself after so long; yield its process."""
    command = [sys.executable, "-c", SCRIPT, str(folder / "pid"), str(seconds), *words]
    environment = {**os.environ, "SWEETSPOT_PASSWORD": "secret"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def server_of(process, folder):
    """Return the process number of the server, once both are there."""
    assert process.stdout.readline().startswith("here")
    end = time.monotonic() + 60
    while not ((pid := folder / "pid").exists() and pid.read_text()):
        assert time.monotonic() < end
        time.sleep(0.05)
    number, password = pid.read_text().split()
    assert password == "nothing"  # the gate's alone
    return int(number)


def test_a_port_that_is_taken_is_said_before_anything_is_started(capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = Address(host="127.0.0.1", port=other.getsockname()[1], password=None)
        said = rf"^port {address.port} of 127\.0\.0\.1 cannot be had \(Address already in use\)"
        with pytest.raises(StorageError, match=said):
            become_server(address, lambda host, port: ["/bin/false"], {}, "here")
    assert capsys.readouterr().out == ""


def test_a_gate_to_a_server_that_has_ended_is_closed(tmp_path):
    with served(tmp_path, 1) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "the server behind the gate has ended by itself, with status 3" in said


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_server_ends_with_its_gate(tmp_path, told):
    with served(tmp_path, 600) as process:
        server = server_of(process, tmp_path)
        process.send_signal(told)
        process.wait(timeout=60)
    assert process.returncode not in (0, 2)
    assert not is_running(server)


def test_who_is_to_outlive_the_terminal_does(tmp_path):
    with served(tmp_path, 600, "nohup") as process:
        server = server_of(process, tmp_path)
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        assert is_running(server)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    assert not is_running(server)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
