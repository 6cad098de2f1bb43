import threading
from multiprocessing import Pipe

from pipeline.training.rates import serve

WAY = {"network": "d8", "precision": "float32", "jit_compile": False, "steps_per_execution": 5}


def test_each_question_is_answered_until_nobody_asks_any_more(backend):
    ours, theirs = Pipe()
    asked = threading.Thread(target=serve, args=(1, None, theirs), daemon=True)
    asked.start()

    def received():
        assert ours.poll(300)
        return ours.recv()

    assert received() == {"ready": True}
    ours.send({"build": WAY})
    assert received() == {"built": True}
    ours.send({"measure": WAY, "seconds": 0.5})
    assert received()["images_per_second"] > 0
    ours.close()
    asked.join(60)
    assert not asked.is_alive()
