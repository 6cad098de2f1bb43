"""How many requests a second MLflow's server answers with a champion, and how soon.

    make bench ARGS=serving

Trains the two references (``training=quick``), promotes the ``cnn``, serves it on 127.0.0.1 and
asks from one to four connections at once, with one image and with 64 images a request. Client
and server share the machine. Data: the complete Fashion-MNIST where it can be had, else digits.
"""

import json
import tempfile
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results_files import keep
from benchmarks.running import run_sweep
from pipeline.data.loading import load_training
from pipeline.launching.sweep_folder import load_config, load_description
from pipeline.testing.model_server import served
from pipeline.tracking.registry import Registry

BATCH_SIZES = (1, 64)
CONNECTIONS = (1, 4)
WARM_UP_REQUESTS = 20
SECONDS = 10.0


def main(short: bool) -> None:
    """Run the benchmark; ``short`` uses the embedded digits, and two seconds a row."""
    with tempfile.TemporaryDirectory() as folder:
        mlruns = Path(folder)
        run_sweep(
            mlruns, "serving", "calibrate=false", f"data={'digits' if short else 'auto'}",
            "training=quick", "measuring=quick", "search=random", "search.trials=2",
            "objective=macs", "objective.rule=budget", "objective.budget=1e9", "promote=auto",
        )  # fmt: skip
        config = load_config(mlruns, "serving")
        data = load_description(config.sweep_dir)
        images = load_training(config.data).validation.images
        registry = Registry(config=config, data=data.name)
        champion = registry.version("champion")
        assert champion is not None, "the benchmark's sweep promotes its sweet spot"
        with served(registry) as port:
            rows = [
                _load(port, images[:size].tolist(), connections, 2.0 if short else SECONDS)
                for size in BATCH_SIZES
                for connections in CONNECTIONS
            ]
    architecture = champion.tags["architecture"]
    lines = [
        f"`mlflow models serve` with {architecture} of {data.name}, requests as JSON:",
        "",
        "| images a request | connections | requests a second | images a second | p50 (ms) "
        "| p90 (ms) | p99 (ms) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {row['batch_size']} | {row['connections']} | {row['requests_per_second']:.0f} | "
            f"{row['images_per_second']:.0f} | {row['p50_ms']:.1f} | {row['p90_ms']:.1f} | "
            f"{row['p99_ms']:.1f} |"
            for row in rows
        ),
    ]
    print("\n".join(lines))
    print(
        keep(
            "serving",
            {"architecture": architecture, "data": data.name, "rows": rows},
            lines,
            short=short,
        )
    )


def _load(port: int, images: list[Any], connections: int, seconds: float) -> dict[str, Any]:
    """Ask again and again from several connections, each with one request at a time."""
    body = json.dumps({"inputs": images}).encode()
    for _ in range(WARM_UP_REQUESTS):
        _ask(HTTPConnection("127.0.0.1", port, timeout=60), body)
    taken: list[float] = []
    end = time.perf_counter() + seconds

    def client() -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        own = []
        while (started := time.perf_counter()) < end:
            _ask(connection, body)
            own.append(time.perf_counter() - started)
        taken.extend(own)
        connection.close()

    started = time.perf_counter()
    threads = [threading.Thread(target=client) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    quantiles = np.quantile(np.array(taken) * 1000.0, (0.5, 0.9, 0.99))
    return {
        "batch_size": len(images),
        "connections": connections,
        "requests": len(taken),
        "requests_per_second": len(taken) / elapsed,
        "images_per_second": len(taken) * len(images) / elapsed,
        **dict(zip(("p50_ms", "p90_ms", "p99_ms"), map(float, quantiles), strict=True)),
    }


def _ask(connection: HTTPConnection, body: bytes) -> None:
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise RuntimeError(f"the server answered {response.status}: {answer[:500]!r}")
