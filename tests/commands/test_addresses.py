import pytest

from pipeline.commands import cli
from pipeline.commands.addresses import split_address
from pipeline.commands.arguments import CommandLine
from pipeline.core.errors import ConfigurationError


def line(*overrides: str) -> CommandLine:
    return CommandLine(command="ui", overrides=overrides)


def test_the_address_is_taken_out_and_the_last_one_counts():
    address, rest = split_address(line("tracking=off"), 5000)
    assert (address.url, address.password) == ("http://127.0.0.1:5000", None)
    assert rest == line("tracking=off")
    words = ("port=81", "tracking=off", "host=::1", "port=82")
    address, rest = split_address(line(*words), 5000)
    assert (address.url, rest) == ("http://[::1]:82", line("tracking=off"))


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "²"])
def test_what_is_no_port_is_refused(port):
    with pytest.raises(ConfigurationError, match="port must be a number from 1 to 65535"):
        split_address(line(f"port={port}"), 5000)


@pytest.mark.parametrize("host", ["box", "0.0.0", "1.2.3.4:80"])
def test_what_is_no_host_is_refused(host):
    with pytest.raises(ConfigurationError, match="host must be an IP address"):
        split_address(line(f"host={host}"), 5000)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_needs_no_password(host, monkeypatch):
    monkeypatch.setenv("SWEETSPOT_PASSWORD", "not asked for")
    assert split_address(line(f"host={host}"), 5000)[0].password is None


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.7", "::"])
def test_others_need_the_password_of_the_environment(host, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(ConfigurationError, match=r"lets others in.*set SWEETSPOT_PASSWORD"):
        split_address(line(f"host={host}"), 5000)
    monkeypatch.setenv("SWEETSPOT_PASSWORD", "a long secret")
    address, _ = split_address(line(f"host={host}"), 5000)
    assert address.password == "a long secret" and "secret" not in repr(address)


@pytest.mark.parametrize("password", ["", "short", "line\nbreak and more"])
def test_a_weak_password_is_refused_and_not_repeated(password, monkeypatch):
    monkeypatch.setenv("SWEETSPOT_PASSWORD", password)
    with pytest.raises(ConfigurationError, match="at least 8 printable") as caught:
        split_address(line("host=0.0.0.0"), 5000)
    assert not password or password not in str(caught.value)


def test_at_a_terminal_the_password_is_typed(monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "typed in silence")
    assert split_address(line("host=0.0.0.0"), 5000)[0].password == "typed in silence"


def test_who_types_no_password_gives_none(monkeypatch):
    def end_of_input(prompt):
        raise EOFError

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", end_of_input)
    with pytest.raises(ConfigurationError, match="set SWEETSPOT_PASSWORD"):
        split_address(line("host=0.0.0.0"), 5000)


def test_mlflow_is_offered_where_it_answers(mlruns, monkeypatch, capsys):
    monkeypatch.setattr("pipeline.commands.ui.become_server", lambda *_: 0)
    assert cli.main(["ui", "host=::1", f"mlruns={mlruns}"]) == 0
    assert cli.main(["ui", "host=127.0.0.2", f"mlruns={mlruns}"]) == 2
    said = (
        "sweetspot: host=127.0.0.2: MLflow answers this machine itself at 127.0.0.1 or ::1 alone\n"
    )
    assert capsys.readouterr().err == said
