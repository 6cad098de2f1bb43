import shutil
from pathlib import Path

import pytest

from pipeline.commands import compose as composing
from pipeline.commands import conf_files, explain
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import CONF, compose, compose_each, settled_dimensions
from pipeline.core.errors import ConfigurationError

OPTIONS = [
    (str(path.parent.relative_to(CONF)), path.stem)
    for path in sorted(CONF.rglob("*.yaml"))
    if path.parent != CONF and "hydra" not in path.parts
]
#: What an option cannot know by itself.
COMPANIONS = {
    "idx": ["data.dir=/pictures"],
    "folder": ["data.dir=/pictures"],
    "npz": ["data.file=/a.npz"],
    "kubernetes": ["schedule.image=registry/sweetspot:1"],
}


def together():
    """Every option once, in as few compositions as possible: one a group at a time."""
    groups: dict[str, list[str]] = {}
    for group, option in OPTIONS:
        groups.setdefault(group, []).append(option)
    for place in range(max(map(len, groups.values()))):
        yield {group: options[place] for group, options in groups.items() if place < len(options)}


def line(*overrides, multirun=False):
    return CommandLine(command="sweep", overrides=overrides, multirun=multirun)


@pytest.mark.parametrize("chosen", list(together()), ids=str)
def test_every_file_composes(chosen):
    overrides = [f"{group}={option}" for group, option in chosen.items()]
    overrides += [word for option in chosen.values() for word in COMPANIONS.get(option, [])]
    space = compose(line(*overrides)).space
    if "space" in chosen:  # an experiment on top of it may give it a name of its own
        assert space.name in (chosen["space"], chosen.get("experiment"))


@pytest.mark.parametrize("path", sorted((CONF / "space").glob("*/*.yaml")), ids=str)
def test_every_dimension_has_the_five_keys(path):
    keys = [text.partition(":")[0] for text in path.read_text().splitlines() if ":" in text]
    assert [key for key in keys if not key.startswith("#")] == [
        "choices", "low", "high", "log", "step",
    ]  # fmt: skip


def test_every_group_has_a_description_in_the_help():
    text = (CONF / "hydra" / "help" / "sweetspot.yaml").read_text()
    for group in {group for group, _ in OPTIONS}:
        assert group in text


def test_every_file_opens_with_a_comment():
    for path in CONF.rglob("*.yaml"):
        if "hydra" not in path.parts:
            assert path.read_text().startswith("#"), path


def test_what_is_said_of_a_dimension_wins_over_its_file():
    assert compose(line("space.depth.choices=[2]")).space.depth.values() == (2,)
    filters = compose(line("space.filters.low=4", "space.filters.high=6")).space.filters
    assert filters.values() == (4, 5, 6)
    assert settled_dimensions(["space/depth=deep"]) == ["space/depth=deep"]


def test_nested_groups_compose():
    space = compose(line("space/depth=deep", "space/filters=wide", "space/kernel_size=small")).space
    assert space.depth.values() == (1, 2, 3, 4)
    assert space.filters.values() == (8, 16, 32, 64, 128)
    assert space.kernel_size.values() == (3, 5)


def test_a_number_is_a_name_too():
    config = compose(line("sweep_name=2026_11_30", "warm_start=007", "data.classes=[0,1]"))
    assert (config.sweep_name, config.warm_start) == ("2026_11_30", "007")
    assert config.data.classes == ("0", "1")


@pytest.mark.parametrize("name", ["2026.10", "1e5", "1_0", "true", "Nan", "nightly-3"])
def test_a_name_is_what_it_looks_like(name):
    config = compose(line(f"sweep_name={name}", f"+warm_start={name}"))
    assert (config.sweep_name, config.warm_start) == (name, name)
    several = compose_each(line(f"sweep_name={name},2_0,b", multirun=True))
    assert [config.sweep_name for config in several] == [name, "2_0", "b"]
    assert compose(line("sweep_name=null", "warm_start=NULL")).sweep_name is None


@pytest.mark.parametrize(
    "path",
    ["/home/jürgen/Bilder", "/a/(1)", "/a#b", "/a & b", "/it's", "/a=b", "/a\\", "/a/b c", "'/a'"],
)
def test_a_path_may_hold_whatever_it_likes(path):
    config = compose(line(f"data.dir={path}", f"mlruns={path}"))
    assert str(config.data.dir) == path.strip("'") == str(config.mlruns)
    images = [str(c.data.dir) for c in compose_each(line(f"data.dir={path}", multirun=True))]
    assert images == [path.strip("'")]


def test_what_has_its_quotation_marks_is_not_blamed():
    with pytest.raises(ConfigurationError, match=r"^data\.classes=\[b\(\]: "):
        compose(line("sweep_name='a(b)'", "data.classes=[b(]"))


def test_a_path_of_digits_is_no_number_and_several_are_several():
    assert str(compose(line("data.dir=2026_11")).data.dir) == "2026_11"
    assert compose(line("maps.run=3")).maps.run == 3
    assert compose(line("data.dir=null")).data.dir is None
    configs = compose_each(line("data.dir=a,b", multirun=True))
    assert [str(config.data.dir) for config in configs] == ["a", "b"]


def test_of_several_paths_each_may_hold_what_it_likes():
    several = compose_each(line("data.dir=/bilder/äpfel,/b/(1),/c", multirun=True))
    assert [str(config.data.dir) for config in several] == ["/bilder/äpfel", "/b/(1)", "/c"]
    several = compose_each(line("data.dir='/a,b',/c", multirun=True))
    assert [str(config.data.dir) for config in several] == ["/a,b", "/c"]
    with pytest.raises(ConfigurationError, match="quotation marks of its own"):
        compose_each(line("data.dir='/a',/ä", multirun=True))
    assert str(compose(line("data.dir=/ä,b")).data.dir) == "/ä,b"


def test_where_the_space_varies_nothing_its_networks_are_trained_as_the_references_are():
    config = compose(line("space=lesson", "training=polish", "training.batch_size=64"))
    space, recipe = config.space, config.training.recipe
    assert space.learning_rate.values() == (recipe.learning_rate,) == (0.004,)
    assert space.schedule.values() == (recipe.schedule,) == ("cosine",)
    assert space.batch_size.values() == (recipe.batch_size,) == (64,)
    assert space.optimizer.values() == (recipe.optimizer,) == ("adam",)


def test_multirun_gives_the_product():
    configs = compose_each(line("data=mnist,digits", "search.seed=1,2", multirun=True))
    assert [(c.data.name, c.search.seed) for c in configs] == [
        ("mnist", 1), ("mnist", 2), ("digits", 1), ("digits", 2),
    ]  # fmt: skip


def test_a_pattern_is_every_option_that_is_so_named(tmp_path):
    (tmp_path / "space").mkdir()
    shutil.copy(CONF / "space" / "small.yaml", tmp_path / "space" / "tiny.yaml")
    spaces = compose_each(line("space=glob(s*)", "data=digits", multirun=True))
    assert [config.space.name for config in spaces] == ["small", "standard"]
    depths = compose_each(line("space/depth=glob([d*,t*],exclude=deep)", multirun=True))
    assert [config.space.depth.values() for config in depths] == [(2,)]
    words = [f"--config-dir={tmp_path}", "-m", "space=glob([s*,t*],exclude=standard)"]
    own = compose_each(CommandLine.parse("sweep", words))
    assert [config.space.name for config in own] == ["small", "small"]
    with pytest.raises(ConfigurationError, match=r"^space=glob\(x\*\): .*; choose lesson, small,"):
        compose_each(line("space=glob(x*)", multirun=True))
    with pytest.raises(ConfigurationError, match=r"there is no such group$"):
        compose_each(line("spaces=glob(*)", multirun=True))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data=foo", "data=foo: 'foo' is not an option of data; choose auto, digits,"),
        ("dta=mnist", "there is no setting or group 'dta'; did you mean data?"),
        ("space/deep=x", "there is no setting or group 'space/deep'; did you mean depth?"),
        ("space.filtres.choices=[3]", "did you mean filters?"),
        ("storage.url_file=/f", "'storage.url_file'; it belongs to storage=postgres"),
        ("storage.path.x=1", "'storage.path.x'; storage.path has no settings of its own"),
        ("sweep_name.x=1", "'sweep_name.x'; sweep_name has no settings of its own"),
        ("space.epochs.foo=1", "'space.epochs.foo'; choose choices, low, high, log or step"),
        ("references=false", "'references'; +references=VALUE says it all the same"),
        ("search.trails=3", "did you mean trials?"),
        ("+search.foo=1", "search.foo: there is no such setting; choose sampler, seed,"),
        ("search.trials=x", "search.trials: must be a valid integer"),
        ("search.trials=1", "search.trials must be at least 2, for the two references, not 1"),
        ("space.kernel_size.choices=[4]", "space.kernel_size: kernel sizes must be odd"),
        ("space.filters.choices=[]", "space.filters: choices is empty"),
        ("space.depth.choices=[5]", "space.depth: depth must lie in 0 to 4"),
        ("space.dropout.choices=[1.0]", "space.dropout: dropout rates must be at least 0"),
        ("space.padding.choices=[full]", "must be 'valid' or 'same', not 'full'"),
        ("space.learning_rate.choices=[0]", "learning rates must be positive, not 0"),
        ("objective.costs=[speed]", "objective.costs.0: must be 'epoch_seconds', 'latency_ms'"),
        ("objective.costs=[]", "objective.costs: "),
        ("objective.costs=[macs,macs]", "costs repeat a name"),
        (
            "objective.rule=best",
            "objective.rule: must be 'auto', 'knee', 'budget', 'least_accuracy', ",
        ),
        ("finalists.seeds=0", "finalists.seeds: must be greater than 0, not 0"),
        ("finalists.limit=-1", "finalists.limit: must be greater than or equal to 0, not -1"),
        ("finalists=maybe", "'maybe' is not an option of finalists; choose all, off or standard"),
        ("objective.rule=budget", "the rule budget needs objective.budget"),
        ("objective.rule=least_accuracy", "the rule least_accuracy needs objective.least_accuracy"),
        ("objective.least_accuracy=90", "least_accuracy: must be less than or equal to 1, not 90"),
        ("objective.rule=price", "the rule price needs objective.price, the percentage points"),
        ("objective.price=0", "objective.price: must be greater than 0, not 0"),
        ("objective.costs=[time_to_accuracy_seconds]", "needs objective.target_accuracy"),
        ("objective.target_accuracy=1.5", "objective.target_accuracy: must be less than or equal"),
        ("objective.limits.macs=-1", "objective.limits.macs: must be greater than 0, not -1"),
        ("objective.limits.speed=1", "choose epoch_seconds, latency_ms,"),
        (
            "objective.limits.time_to_accuracy_seconds=9",
            "the limit on time_to_accuracy_seconds needs objective.target_accuracy",
        ),
        ("objective.limits.macs=0", "objective.limits.macs: must be greater than 0, not 0"),
        ("objective.target_accuracy=0", "objective.target_accuracy: must be greater than 0, not 0"),
        ("measuring.batch_sizes=[0]", "measuring.batch_sizes.0: must be greater than 0, not 0"),
        ("measuring.batch_sizes=[]", "measuring.batch_sizes: give at least one batch size"),
        (
            "measuring.batch_sizes=[1,1]",
            "measuring.batch_sizes: batch sizes repeat a value: [1, 1]",
        ),
        ("measuring.batch_sizes=[1.5]", "measuring.batch_sizes.0: must be a valid integer"),
        ("measuring.batch_sizes=[99999]", "measuring.batch_sizes.0: must be less than or equal"),
        ("measuring.tolerance=0", "measuring.tolerance: must be greater than 0, not 0"),
        ("measuring.tolerance=1", "measuring.tolerance: must be less than 1, not 1"),
        ("measuring.turns=4", "measuring.turns: must be greater than or equal to 5, not 4"),
        ("measuring.seconds=0", "measuring.seconds: must be greater than 0, not 0"),
        ("search.max_infeasible=0", "search.max_infeasible: must be greater than 0, not 0"),
        ("launch.workers=0", "launch.workers: must be auto or a positive whole number, not 0"),
        ("sweep_name=a/b", "sweep_name: a name consists of letters"),
        ("sweep_name=..", "sweep_name: a name consists of letters"),
        ("data.validation=1.5", "data.validation: must be less than 1, not 1.5"),
        ("data=mnist,digits", r"several values need --multirun (a list: [a,b])"),
        (
            "data.dir=/data/a,b",
            "and one that holds a comma quotation marks of its own, in a shell \"data.dir='…'\"",
        ),
        ("search.trials=[", "the settings cannot be read"),
        (
            "data.classes=[ä,b]",
            "data.classes=[ä,b]: other than ASCII letters and digits and _-/.:+$%*@?|\\ a value "
            "may hold nothing but in quotation marks of its own, in a shell \"data.classes='…'\"",
        ),
        ("data.classes=[a (b),c]", "in a list each element has its own"),
        ("~search", "search: this setting is missing"),
        ("training.epochs=null", "training.epochs: must be a valid integer, not None"),
        ("search.seed=${nothing}", "the settings cannot be read"),
        ("search.trials=???", "the settings cannot be read"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_the_valid_names(override, said):
    with pytest.raises(ConfigurationError) as caught:
        compose(line(override))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_that_repeat_and_xla_exclude_each_other():
    with pytest.raises(ConfigurationError) as caught:
        compose(line("training.deterministic=true", "training.jit_compile=on"))
    assert str(caught.value).startswith(
        "training: deterministic=true and jit_compile=on exclude each other"
    )
    assert compose(line("training=reproducible")).training.jit_compile == "auto"


def test_batch_sizes_are_put_in_order():
    assert compose(line("measuring.batch_sizes=[64,2,256]")).measuring.batch_sizes == (2, 64, 256)


def test_nothing_is_written_where_it_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compose(line("data=digits"))
    compose_each(line("data=digits,mnist", multirun=True))
    assert list(Path(tmp_path).iterdir()) == []


@pytest.mark.parametrize(
    "word",
    [
        "tracking.uri=http://me:geheim@box,x", "notify.ulr=https://h/geheim", "notify.url=[geheim]",
        "tracking.uri=[geheim]", "notify={url:geheim,secs:1}", 'notify.url="geheim',
        "notify.url=geheim", "storage.uri=postgresql://me:geheim@box/db", "search.trials=a://geheim",
    ],
)  # fmt: skip
def test_what_may_be_a_secret_is_not_repeated(word):
    with pytest.raises(ConfigurationError) as refused:
        compose(CommandLine(command="sweep", overrides=(word,)))
    assert "geheim" not in str(refused.value)


@pytest.fixture
def own_conf(tmp_path, monkeypatch):
    """A copy of conf/, in which somebody has an experiment of his own."""
    folder = tmp_path / "conf"
    shutil.copytree(CONF, folder)
    monkeypatch.setattr(composing, "CONF", folder)
    for module in (conf_files, explain):
        monkeypatch.setattr(module, "PROJECT_ROOT", tmp_path)
    return folder


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a: [1\nseed: 1", "line 2, column 5: expected ',' or ']', but got ':'"),
        (b"search:\n\ttrials: 3\n", "line 2, column 1: found character '\\t' that cannot start"),
        (b"a: 1\na: 2\n", "line 2, column 1: found duplicate key a"),
        (b"5\n", "it holds no settings"),
        (b"\xff\xfe\n", "it is not UTF-8 text"),
    ],
)
@pytest.mark.parametrize("asked", [("experiment=mine",), ("experiment=mine", "--cfg", "job")])
def test_a_mistake_in_a_file_of_ones_own_is_named(own_conf, asked, content, reason):
    (own_conf / "experiment" / "mine.yaml").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        compose(CommandLine.parse("sweep", asked))
    assert str(caught.value).startswith(f"conf/experiment/mine.yaml cannot be read: {reason}")
    assert "\n" not in str(caught.value)


def test_a_file_that_may_not_be_read_is_named(own_conf, monkeypatch):
    def refuse(path, **keywords):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ConfigurationError, match=r"^conf/.+ cannot be read: Permission denied$"):
        explain._options_with("experiment", "seed")
    refused = pytest.raises(ConfigurationError, match=r"^conf/a\.yaml cannot be read: Permission d")
    with refused, composing._explained([]):
        refuse(own_conf / "a.yaml")


def test_an_output_that_is_full_is_no_fault_of_the_settings():
    with pytest.raises(OSError, match="No space"), composing._explained([]):
        raise OSError(28, "No space left on device")
