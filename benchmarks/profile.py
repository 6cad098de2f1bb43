"""Where the time of a training step goes: each of its parts by itself, in turn with the whole.

    make bench ARGS=profile

The ``cnn`` reference with the default recipe's batch, on one thread, as a worker on a processor
trains it. A layer's part is its forward pass and its gradients, compiled apart; so what the parts
take together is near what the step takes, and the table says how near. Beside it stands what a
part has to multiply, as a share of the matrix product's rate in the same process: a small share
of much time is where something could be had. And the whole step of some networks is timed in turn
with what Keras' own layers would make of it: each bias behind the max pool or in front of it, as
the precision decides; in float32 a batch in the parts that a processor's caches hold, or whole;
batch normalisation in one operation, or in Keras' ten. What is in the images changes nothing, so
they are noise, and no data set is needed. With TensorFlow only.
"""

import itertools
import statistics
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from time import perf_counter as now
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.peak import CPU_SIZES, DTYPES, rate
from benchmarks.results_files import NotHereError, keep
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import compose
from pipeline.core.architecture import REFERENCES, Architecture
from pipeline.core.journey import shape_journey
from pipeline.core.trial import Recipe
from pipeline.data.dataset import Split
from pipeline.measuring.backends import backend_name
from pipeline.measuring.machine import resolve_precision, this_machine

IMAGE_SHAPE, CLASSES = (28, 28, 1), 10
IMAGES, STEPS = 12_800, 20
CNN = REFERENCES["cnn"].notation


@dataclass(frozen=True, kw_only=True)
class Ways:
    """Two ways to train: that of a training, or one that is said, and the other.

    Parameters
    ----------
    networks
        Whose whole step is timed both ways.
    precisions
        In each of which it is; ``auto`` is that of a training.
    patched, one, other
        What is put in a place of the program to train one way, and the other; what is there where
        that is None.
    """

    title: str
    networks: tuple[str, ...]
    precisions: tuple[str, ...]
    patched: str
    one: Any
    other: Any


def _whole(model: Any, batch_size: int) -> int:
    return 1


def _not_fused(model: Any, *, parts: int, fused: bool) -> Any:
    from pipeline.training.training_graph import training_logits

    return training_logits(model, parts=parts)


WAYS = {
    "bias": Ways(
        title="Whole steps with the bias behind the pool and in front of it, as Keras' own layers "
        "have it.",
        networks=("16k3-d64", "64k3-d128", "32k5s-32k3s-d64", CNN),
        precisions=("auto",),
        patched="pipeline.training.training_graph.BIAS_BEHIND_POOL",
        one=frozenset(DTYPES.values()),
        other=frozenset(),
    ),
    "parts": Ways(
        title="Whole steps with the batch in as many parts as a training takes it in, and whole.",
        networks=("32k3-d64", "64k3-d128", "32k5s-64k3-d128", CNN),
        precisions=("float32",),
        patched="pipeline.training.network.parts_of_batch",
        one=None,
        other=_whole,
    ),
    "normalisation": Ways(
        title="Whole steps with batch normalisation in one operation, and as Keras' own layer.",
        networks=("16k3b-d64", "16k3b-32k3b-d64", "64k3b-64k3b-d128"),
        precisions=("auto", "float32"),
        patched="pipeline.training.network.training_logits",
        one=None,
        other=_not_fused,
    ),
}
#: Layers that are one part of the step with the one before: a pool's ReLU belongs to it.
JOINED = ("activation",)
HEAD = (
    "| part | ms | share of the step | of the matrix product's rate |",
    "| --- | --- | --- | --- |",
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the step.

    Parameters
    ----------
    run
        Do it once, and return when it is done.
    operations
        Floating-point operations of its products for a batch.
    """

    name: str
    run: Callable[[], None]
    operations: float


def main(short: bool) -> None:
    """Run the benchmark; ``short`` takes fewer turns."""
    if backend_name() != "tensorflow" or this_machine().gpus:
        raise NotHereError("takes the steps of TensorFlow on a processor apart, no others")
    result = measure(turns=5 if short else 25)
    lines = [
        f"`{CNN}`, {result['batch_size']} images a step, "
        f"{result['precision']}, one thread, medians of turns; its matrix product has "
        f"{result['matrix_product_gflops']:,.0f} GFLOP/s:",
        "",
        *HEAD,
        *map(_line, result["rows"]),
        "",
        f"The parts by themselves take {result['parts_of_the_step']:.1%} of the step.",
        "",
        *(_apart_lines(result["apart"]) if result["apart"] else ()),
        *itertools.chain.from_iterable(map(_ways_lines, result["ways"])),
        f"In {result['precision']} a training takes the bias {result['bias_of_a_training']}.",
    ]
    print("\n".join(lines))
    print(keep("profile", result, lines, short=short))


def _ways_lines(found: dict[str, Any]) -> list[str]:
    return [
        found["title"],
        "",
        "| network | precision | ms | ms, the other way | ratio |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| `{row['network']}` | {row['precision']} | {row['milliseconds']:.2f} | "
            f"{row['other_milliseconds']:.2f} | {row['ratio']:.3f} |"
            for row in found["networks"]
        ),
        "",
    ]


def _apart_lines(rows: list[dict[str, Any]]) -> list[str]:
    return ["The layers that it trains as one, as the model has them:", "", *HEAD,
            *map(_line, rows), ""]  # fmt: skip


def _line(row: dict[str, Any]) -> str:
    of = row["share_of_matrix_product"]
    return (
        f"| {row['part']} | {row['milliseconds']:.2f} | {row['share_of_the_step']:.1%} | "
        f"{f'{of:.1%}' if of else '–'} |"
    )


def measure(turns: int) -> dict[str, Any]:
    """Measure in this process, of one thread."""
    from pipeline.training.backend import set_up

    set_up(threads=1, deterministic=False)
    precision = resolve_precision("auto")
    recipe = compose(CommandLine(command="sweep", overrides=())).training.recipe
    data, labels = _noise()
    network = _network(CNN, data, recipe, precision)
    parts, apart = _parts(network, data, labels, recipe, precision)
    step = _steps(network, network.order(1))
    whole = Part(name="the whole step", run=step, operations=sum(p.operations for p in parts))
    milliseconds, shares = timed(whole, [*parts, *apart], turns)
    product = max(rate(DTYPES[precision], size) for size in CPU_SIZES)

    def rows(of: list[Part]) -> list[dict[str, Any]]:
        return [
            {
                "part": part.name,
                "milliseconds": (own := milliseconds[part.name]),
                "share_of_the_step": shares[part.name],
                "share_of_matrix_product": part.operations / (1e-3 * own) / product,
            }
            for part in of
        ]

    return {
        "precision": precision,
        "batch_size": recipe.batch_size,
        "matrix_product_gflops": product / 1e9,
        "rows": rows([*parts, whole]),
        "apart": rows(apart),
        "parts_of_the_step": sum(shares[part.name] for part in parts),
        "bias_of_a_training": "behind" if apart else "in front",
        "ways": [
            {
                "name": name,
                "title": ways.title,
                "networks": [
                    {
                        "network": notation,
                        "precision": own,
                        **_both_ways(ways, partial(_network, notation, data, recipe, own), turns),
                    }
                    for own in dict.fromkeys(map(resolve_precision, ways.precisions))
                    for notation in ways.networks
                ],
            }
            for name, ways in WAYS.items()
        ],
    }


def timed(
    whole: Part, parts: list[Part], turns: int, executions: int = STEPS
) -> tuple[dict[str, float], dict[str, float]]:
    """Return milliseconds a step, and shares of the whole one, medians of turns, by name.

    Parameters
    ----------
    executions
        How often a part is run for ``STEPS`` steps; the whole one is run once.
    """
    seconds: dict[str, list[float]] = {part.name: [] for part in (whole, *parts)}
    for turn in range(turns + 2):
        for part in (whole, *parts):
            began = now()
            for _ in range(1 if part is whole else executions):
                part.run()
            if turn >= 2:  # the first ones warm up
                seconds[part.name].append((now() - began) / STEPS)
    # A ratio of neighbours in a turn: what slows the machine down slows all of them down.
    shares = {
        name: statistics.median(
            own / step for own, step in zip(found, seconds[whole.name], strict=True)
        )
        for name, found in seconds.items()
    }
    return {name: 1e3 * statistics.median(found) for name, found in seconds.items()}, shares


def _noise() -> tuple[Any, Any]:
    """Return images on the device, and their labels."""
    from pipeline.training.network import DeviceData

    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, IMAGES)
    images = random.integers(0, 256, (IMAGES, *IMAGE_SHAPE), dtype=np.uint8)
    return DeviceData.place(Split(images=images, labels=labels), CLASSES), labels


def _network(notation: str, data: Any, recipe: Recipe, precision: str) -> Any:
    from pipeline.training.network import CompiledNetwork

    return CompiledNetwork(
        Architecture.parse(notation), recipe, seed=0, data=data, epochs=1, precision=precision,
        jit_compile=False, looping=True,
    )  # fmt: skip


def _steps(network: Any, order: Any) -> Callable[[], None]:
    def run() -> None:
        network.train(order, 0, STEPS)

    return run


def _both_ways(ways: Ways, build: Callable[[], Any], turns: int) -> dict[str, float]:
    """Time the whole step of the network that is built, in two ways."""

    def built(what: Any) -> Any:
        with nullcontext() if what is None else patch(ways.patched, what):
            return build()

    one, other = built(ways.one), built(ways.other)
    order = one.order(1)
    whole = Part(name="one", run=_steps(one, order), operations=0.0)
    second = Part(name="other", run=_steps(other, order), operations=0.0)
    milliseconds, shares = timed(whole, [second], turns, executions=1)
    return {
        "milliseconds": milliseconds["one"],
        "other_milliseconds": milliseconds["other"],
        "ratio": 1.0 / shares["other"],
    }


def _parts(
    network: Any, data: Any, labels: Any, recipe: Recipe, precision: str
) -> tuple[list[Part], list[Part]]:
    """Return the parts of a network's step, and the layers apart that are one part there."""
    from pipeline.training.backend import keras
    from pipeline.training.training_graph import training_logits

    chosen = np.arange(recipe.batch_size, dtype=np.int32)
    truth = keras.ops.convert_to_tensor(labels[chosen])
    _, scaling, *trained = keras.Model(network.model.input, training_logits(network.model)).layers
    *own, _probabilities = network.model.layers[2:]

    def taken(rows: Any) -> Any:
        return scaling(keras.ops.take(data.images, rows, axis=0))

    rows = keras.ops.convert_to_tensor(chosen)
    parts = [
        _part("taking the images and scaling them", 0.0, taken, rows),
        *_layer_parts(trained, taken(rows), truth),
        _optimizer_part(network.model.trainable_variables, recipe, precision),
    ]
    known = {part.name for part in parts}
    apart = [part for part in _layer_parts(own, taken(rows), truth) if part.name not in known]
    return parts, apart


def _layer_parts(layers: list[Any], values: Any, labels: Any) -> list[Part]:
    """Return the parts that layers are, one behind the other, from what the first one is given."""
    macs = {
        stage.name: stage.macs for stage in shape_journey(REFERENCES["cnn"], IMAGE_SHAPE, CLASSES)
    }
    parts = []
    for which, group in enumerate(joined(layers)):
        name = group[0].name.removeprefix("pooled_")
        # Forward, and the gradients by what comes in, which the image needs none of, and by the
        # weights: two operations a multiply-accumulate each.
        operations = 2.0 * (2 if which == 0 else 3) * macs.get(name, 0) * len(labels)
        last = name == "classes"
        call, after = _gradients(group, values, labels=labels if last else None, by_input=which > 0)
        words = " and ".join(layer.name.replace("pooled_", "pooled ") for layer in group)
        parts.append(_part(words + " and the loss" * last, operations, call, values, after))
        values = after
    return parts


def _optimizer_part(variables: list[Any], recipe: Recipe, precision: str) -> Part:
    from pipeline.training.backend import keras
    from pipeline.training.optimizer import build_optimizer

    own = [keras.Variable(variable.value) for variable in variables]
    optimizer = build_optimizer(recipe, 10_000, precision)
    optimizer.build(own)

    def apply(*gradients: Any) -> Any:
        optimizer.apply(list(gradients), own)
        return optimizer.iterations

    gradients = [1e-3 * keras.random.normal(variable.shape) for variable in own]
    return _part("the optimiser's step", 0.0, apply, *gradients)


def joined(layers: list[Any]) -> list[list[Any]]:
    """Return the layers by parts of the step."""
    found: list[list[Any]] = []
    for layer in layers:
        if layer.name.startswith(JOINED):
            found[-1].append(layer)
        else:
            found.append([layer])
    return found


def _gradients(
    layers: list[Any], values: Any, *, labels: Any, by_input: bool
) -> tuple[Callable[..., Any], Any]:
    """Return the layers' forward pass with its gradients, and what comes out of them.

    Parameters
    ----------
    labels
        Where the loss follows, whose gradient it is; else what comes out stands for the gradient
        that comes back.
    by_input
        Whether the layers in front need a gradient.
    """
    import tensorflow as tf

    from pipeline.training.backend import keras

    def forward(given: Any) -> Any:
        for layer in layers:
            given = layer(given)
        return given

    weights = [variable.value for layer in layers for variable in layer.trainable_variables]

    def call(given: Any, back: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(given)
            out = forward(given)
            if labels is not None:
                out = keras.ops.mean(
                    keras.losses.sparse_categorical_crossentropy(labels, out, from_logits=True)
                )
        sources = [given, *weights] if by_input else weights
        # The result too, or what of the forward pass no gradient needs would be left out.
        return out, tape.gradient(out, sources, back if labels is None else None)

    return call, forward(values)


def _part(name: str, operations: float, call: Callable[..., Any], *arguments: Any) -> Part:
    import tensorflow as tf

    function = tf.function(call, autograph=False)

    def run() -> None:
        function(*arguments)

    return Part(name=name, run=run, operations=operations)
