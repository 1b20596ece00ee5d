"""A failure ends the requests of its forward with an error, and nothing else."""

import pytest
import torch

from neoxjp.engine import Engine, score
from neoxjp.errors import NeoxjpError
from neoxjp.sampling import SamplingParams
from tests.support.fake_model import Fake, FakeCache, V, mixed

PARAMS = SamplingParams(max_new_tokens=5, eos_token_id=())


class NoMemoryForCopies(FakeCache):
    def fork(self):
        raise MemoryError("no memory for a copy")

    def crop(self, length):
        if length < self.length:
            raise MemoryError("no memory for a copy")
        super().crop(length)


def test_after_a_failed_forward_the_thread_serves_the_next_requests():
    model = Fake(mixed)
    good = model.forward_unpadded

    def failing(*given, **more):
        raise RuntimeError("the fault")

    with Engine(model).start() as engine:
        model.forward_unpadded = failing
        ended = [engine.submit([n], PARAMS) for n in range(3)]
        for request in ended:
            with pytest.raises(RuntimeError, match="the fault"):
                list(request)
            assert request.finish == "error"
        model.forward_unpadded = good
        assert [len(list(engine.submit([n], PARAMS))) for n in range(3)] == [5, 5, 5]
        assert engine.running == engine.waiting == 0


def test_a_failure_outside_the_model_ends_that_forward_only(monkeypatch):
    from neoxjp.engine import batch

    with Engine(Fake(mixed), max_batch=2).start() as engine:
        plan, calls = batch.plan_rows, []

        def failing(*given):
            calls.append(given)
            if len(calls) == 1:
                raise MemoryError("no memory for the rows")
            return plan(*given)

        monkeypatch.setattr(batch, "plan_rows", failing)
        first = engine.submit([1], PARAMS)
        with pytest.raises(MemoryError, match="no memory for the rows"):
            list(first)
        assert first.finish == "error"
        assert len(list(engine.submit([2], PARAMS))) == 5
        assert engine.running == 0


@pytest.mark.parametrize("thread", [True, False])
def test_a_prefix_that_cannot_be_copied_ends_its_request_only(thread):
    model = Fake(mixed)
    model.new_cache = NoMemoryForCopies
    engine = Engine(model, chunk=1)
    if thread:
        engine.start()
    with engine:
        assert len(list(engine.submit([1, 2, 3], PARAMS))) == 5
        again = engine.submit([1, 2, 3, 4], PARAMS)
        with pytest.raises(MemoryError):
            list(again)
        assert len(list(engine.submit([5], PARAMS))) == 5


def test_nan_weights_give_a_clear_error_in_both_languages():
    model = Fake(lambda ids: torch.full((V,), float("nan")))
    engine = Engine(model)
    with pytest.raises(NeoxjpError, match=r"not numbers \(NaN or infinite\): a weight is damaged") as caught:
        list(engine.submit([1], PARAMS))
    assert "NaN" in caught.value.ja
    assert "モデルのファイルを確認してください" in caught.value.ja
    with pytest.raises(NeoxjpError, match="check the model's files"):
        score(model, [1, 2, 3])
    assert engine.running == 0
