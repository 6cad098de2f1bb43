"""What can be said wrongly about jobs, schedules and notifications, and what is said then."""

import copy

import pytest
import yaml

from pipeline.commands import cli
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import CONF, checked, compose, plain
from pipeline.commands.explain import kinds_of
from pipeline.config import Config
from pipeline.core.errors import ConfigurationError


@pytest.fixture(scope="module")
def values():
    """Return plain values with a cluster and a Kubernetes schedule, composed once."""
    words = ("launch=slurm", "schedule=kubernetes", "schedule.image=registry/sweetspot:1")
    return plain(CommandLine(command="sweep", overrides=words))


def with_value(values, setting, value) -> Config:
    changed = copy.deepcopy(values)
    *path, last = setting.split(".")
    section = changed
    for name in path:
        section = section[name]
    section[last] = value
    return checked(changed)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("launch.kind", "pbs", "launch: kind must be local, peer or slurm, not 'pbs'"),
        ("launch.node", 1, "launch.node: there is no such setting; choose kind, workers"),
        ("launch.workers", 0, "launch.workers: must be greater than 0, not 0"),
        ("launch.workers", "auto", "launch.workers: must be a valid integer"),
        ("launch.partition", "gpu;reboot", "launch.partition: must be a name, or several"),
        ("launch.partition", "gpu\n#SBATCH --uid=0", "launch.partition: must be a name, or"),
        ("launch.account", "--uid=0", "launch.account: must be a name of letters"),
        ("launch.constraint", "a b", "launch.constraint: must be features of nodes"),
        ("launch.memory", 8, "launch.memory: must be a size with its unit, such as 8G"),
        ("launch.time", "soon", "launch.time: must be minutes, minutes:seconds, hours:"),
        ("launch.time", 0, "launch.time: must be minutes"),
        ("launch.time", 1, "time=1 leaves nothing to train in"),
        ("launch.notice_seconds", 5, "launch.notice_seconds: must be greater than or"),
        ("launch.gpu_type", "a100", "gpu_type=a100 needs gpus, how many"),
        ("launch.modules", ["a b"], "launch.modules.0: must be a name of letters"),
        ("launch.setup", ["a\nb"], "launch.setup.0: must be one line without control"),
        ("launch.setup", [" "], "launch.setup.0: must be a shell command, not an empty"),
        ("launch.options", ["--array=0-9"], "--array is the project's own to say"),
        ("launch.options", ["--exclude=a b"], "launch.options.0: must be an option of"),
        ("schedule.when", "daily", "schedule.when: must be five fields (minute, hour, day of the"),
        ("schedule.when", "61 * * * *", "'61 * * * *' is no cron expression: bad minute"),
        ("schedule.when", "0 0 31 2 *", "'0 0 31 2 *' is no cron expression: bad day-of-month"),
        ("schedule.when", "0 2 L * *", "schedule.when: 'L' is not understood everywhere; a number"),
        ("schedule.when", "0 2 LW * *", "'LW' is not understood everywhere"),
        ("schedule.when", "0 2 * * 5L", "'5L' is not understood everywhere"),
        ("schedule.when", "0 2 15W * *", "'15W' is not understood everywhere"),
        ("schedule.when", "0 2 * * 5-7", "schedule.when: Kubernetes knows Sunday as 0 and not"),
        ("schedule.when", "0 5/3 * * *", "'5/3' is not understood everywhere"),
        ("schedule.when", "0 2 L * *\n* * * * *", "schedule.when: must be five fields"),
        ("schedule.image", None, "schedule=kubernetes needs schedule.image"),
        ("schedule.image", "a b", "schedule.image: must be an image such as"),
        ("schedule.claim", "A_b", "schedule.claim: must be lower-case letters"),
        ("notify.command", [], "notify.command: must name a program"),
        ("notify.seconds", 0, "notify.seconds: must be greater than 0"),
    ],
)
def test_what_is_wrong_is_one_sentence(values, setting, value, said):
    with pytest.raises(ConfigurationError) as caught:
        with_value(values, setting, value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("launch.partition=gpu", "'launch.partition'; it belongs to launch=slurm"),
        ("launch.folow=false", "'launch.folow'; did you mean follow?"),
        ("schedule.pods=3", "'schedule.pods'; it belongs to schedule=kubernetes"),
    ],
)
def test_a_setting_of_another_kind_says_whose_it_is(override, said):
    with pytest.raises(ConfigurationError) as caught:
        compose(CommandLine(command="sweep", overrides=(override,)))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "path", sorted((CONF / "launch").glob("*.yaml")), ids=lambda path: path.stem
)
def test_a_choice_of_processes_has_every_setting_of_its_kind(path):
    values = yaml.safe_load(path.read_text())
    assert set(values) == set(kinds_of("launch")[values["kind"]].model_fields)


@pytest.mark.parametrize("url", ["ftp://host/s3cret", "//host/s3cret", "https:///s3cret", "s3cret"])
def test_a_wrong_webhook_is_not_repeated(values, url):
    with pytest.raises(ConfigurationError) as caught:
        with_value(values, "notify.url", url)
    assert "s3cret" not in str(caught.value)


def test_a_webhook_is_kept_out_of_every_file_and_text(values):
    config = with_value(values, "notify.url", "https://host/s3cret")
    assert config.notify.webhook() == "https://host/s3cret"
    assert "s3cret" not in repr(config)
    assert "s3cret" not in config.model_dump_json()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("launch.time", "1-12:30"), ("launch.partition", "gpu,gpu-low"),
        ("launch.constraint", "[rack1*2&rack2*4]"), ("launch.memory", "16G"),
        ("launch.options", ["--exclude=node[1-3]"]), ("launch.setup", ["a && b | c"]),
        ("schedule.when", "*/15 1-5 * jan-mar mon"), ("schedule.when", "7 2 */7 * 1-5/2,0"),
    ],
)  # fmt: skip
def test_what_clusters_need_is_accepted(values, setting, value):
    section, _, name = setting.partition(".")
    kept = getattr(getattr(with_value(values, setting, value), section), name)
    assert (list(kept) if isinstance(kept, tuple) else kept) == value


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "so it needs launch=slurm"),
        (("launch=slurm",), "so it needs launch.follow=false"),
    ],
)
def test_slurms_schedule_submits_jobs_and_does_not_wait_for_them(tmp_path, capsys, words, said):
    command = ["schedule", "schedule=slurm", "data=digits", *words, f"mlruns={tmp_path}"]
    assert cli.main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(said)


def test_cron_jobs_of_two_questions_have_two_names(capsys):
    names = []
    for cost in ("latency", "macs", "macs search.trials=40"):
        words = ["schedule", "schedule=kubernetes", "schedule.image=registry/sweetspot:1"]
        assert cli.main([*words, "data=digits", *f"objective={cost}".split()]) == 0
        names.append(yaml.safe_load(capsys.readouterr().out)["metadata"]["name"])
    assert names[0] != names[1] == names[2]  # more trials of the same question


def test_a_scheduled_run_finds_the_data_where_they_are_found_now(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_HOME", "/data/keras")
    words = ["data=digits", "training.precision=float32", f"mlruns={tmp_path}"]
    assert cli.main(["schedule", *words]) == 0
    assert "KERAS_HOME=/data/keras" in capsys.readouterr().out


def test_a_schedule_names_a_folder_of_ones_own_from_everywhere(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    words = ["data=digits", "training.precision=float32", f"mlruns={tmp_path}"]
    assert cli.main(["schedule", "--config-dir", "mine", *words]) == 0
    assert f" --config-dir={tmp_path}/mine data=digits " in capsys.readouterr().out


LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


@pytest.mark.parametrize(
    ("tracking", "missed"),
    [
        (["tracking.uri=https://mlflow.example"], LOGIN),
        (["tracking.uri=sqlite:////runs/mlflow.db"], ()),
        ([], ()),
        (["tracking.uri=https://mlflow.example", "tracking.enabled=false"], ()),
    ],
)
def test_a_schedule_says_which_login_it_does_not_hold(
    tmp_path, monkeypatch, capsys, tracking, missed
):
    for name in LOGIN:
        monkeypatch.setenv(name, "s3cret")
    words = ["data=digits", "training.precision=float32", f"mlruns={tmp_path}", *tracking]
    assert cli.main(["schedule", *words]) == 0
    printed, said = capsys.readouterr()
    assert [name for name in LOGIN if f"{name} is set here and a schedule" in said] == list(missed)
    assert "s3cret" not in printed + said


def test_a_crontab_has_what_the_run_needs_and_no_secret(tmp_path, monkeypatch, capsys):
    """A scheduler starts with an empty environment."""
    programs = tmp_path / "my slurm"
    programs.mkdir()
    (programs / "sbatch").touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    needed = (
        "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH",
        "MLFLOW_TRACKING_AUTH", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "PGSSLROOTCERT",
        "PGPASSFILE",
    )  # fmt: skip
    secret = ("PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "HTTPS_PROXY")
    for name in (*needed, *secret):
        monkeypatch.setenv(name, "s3cret" if name in secret else "/etc/ca")
    words = ["schedule", "data=digits", "tracking.uri=https://mlflow.example", f"mlruns={tmp_path}"]
    assert cli.main([*words, "launch=slurm"]) == 0
    printed, said = capsys.readouterr()
    assert f" PATH='{programs}:/bin:/usr/bin' " in printed
    assert all(f" {name}=/etc/ca " in printed for name in needed)
    assert all(f"{name} is set here and a schedule does not hold it" in said for name in secret)
    assert "s3cret" not in printed + said
    assert cli.main(words) == 0
    assert "PATH='" not in capsys.readouterr().out  # nothing asks Slurm


def test_pods_do_not_settle_the_question_each_for_itself(capsys):
    words = ["schedule", "schedule=kubernetes", "schedule.image=registry/sweetspot:1"]
    assert cli.main([*words, "data=auto"]) == 2
    assert "needs the images' name, such as data=fashion_mnist" in capsys.readouterr().err

    def precision(*more):
        assert cli.main([*words, "data=digits", *more]) == 0
        printed, said = capsys.readouterr()
        pod = yaml.safe_load(printed)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        arguments = pod["containers"][0]["args"]
        return [word for word in arguments if word.startswith("training.precision")], said

    found, said = precision()
    assert found == ["training.precision=float32"] and "auto is float32 here" in said
    given = "training.precision=mixed_bfloat16"
    assert precision(given) == ([given], "")


@pytest.mark.parametrize(
    "value", ["Berlin", "CEST+2", "../../etc/passwd", "/etc/localtime", "Europe", ""]
)
def test_a_time_zone_is_one_that_there_is(values, value):
    with pytest.raises(ConfigurationError) as caught:
        with_value(values, "schedule.time_zone", value)
    assert "schedule.time_zone: must be a time zone such as Europe/Berlin" in str(caught.value)
    kept = with_value(values, "schedule.time_zone", "Europe/Berlin").schedule
    assert kept.time_zone == "Europe/Berlin"


@pytest.mark.parametrize(
    "path", sorted((CONF / "schedule").glob("*.yaml")), ids=lambda path: path.stem
)
def test_a_choice_of_schedule_has_every_setting_of_its_kind(path):
    values = yaml.safe_load(path.read_text())
    assert set(values) == set(kinds_of("schedule")[values["kind"]].model_fields)


@pytest.mark.parametrize(
    "host", ["hooks..example.org", "hööks.example.org", f"{'a' * 64}.org", "[::1", ".example.org"]
)
def test_a_webhook_that_no_request_can_be_sent_to_is_refused(values, host):
    with pytest.raises(
        ConfigurationError, match=r"^notify\.url: must be a URL .* sound host"
    ) as it:
        with_value(values, "notify.url", f"https://{host}/s3cret")
    assert "s3cret" not in str(it.value)
    with_value(values, "notify.url", "https://[::1]:8080/s3cret")
