import io
import json

from pipeline.training.rates import serve

WAY = {"network": "d8", "precision": "float32", "jit_compile": False, "steps_per_execution": 5}


def test_each_line_is_answered(backend):
    requests = [{"build": WAY}, {"measure": WAY, "seconds": 0.5}]
    answers = io.StringIO()
    serve(1, io.StringIO("".join(f"{json.dumps(line)}\n" for line in requests)), answers)
    ready, built, measured = map(json.loads, answers.getvalue().splitlines())
    assert (ready, built) == ({"ready": True}, {"built": True})
    assert measured["images_per_second"] > 0
