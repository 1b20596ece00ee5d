"""The loss in pieces: value and gradients are those of the plain cross entropy, with frozen weights and in bfloat16 too."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.loop import fresh_model
from neoxjp.train.loss import TrainingLoss, next_id_loss
from tests.support.train_tiny import TEXTS, tiny_config


def sample() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(23, 8, requires_grad=True), torch.randn(50, 8, requires_grad=True), torch.randint(0, 50, (23,))


@pytest.mark.parametrize("piece", [1, 7, 23, 512])
def test_value_and_gradients_are_those_of_the_plain_loss(piece: int) -> None:
    hidden, weight, targets = sample()
    plain = F.cross_entropy(hidden @ weight.T, targets)
    expected = torch.autograd.grad(3.0 * plain, [hidden, weight])
    loss = next_id_loss(hidden, weight, targets, piece)
    torch.testing.assert_close(loss, plain, rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.autograd.grad(3.0 * loss, [hidden, weight]), expected, rtol=0, atol=1e-6)


def test_what_is_frozen_gets_no_gradient() -> None:
    hidden, weight, targets = sample()
    (expected,) = torch.autograd.grad(F.cross_entropy(hidden @ weight.T, targets), [hidden])
    next_id_loss(hidden, weight.detach(), targets).backward()
    assert hidden.grad is not None
    torch.testing.assert_close(hidden.grad, expected, rtol=0, atol=1e-6)
    next_id_loss(hidden.detach(), weight, targets).backward()
    assert weight.grad is not None


def test_a_score_beyond_the_range_of_exp_is_a_finite_loss() -> None:
    hidden, weight, targets = sample()
    loss = next_id_loss(hidden.detach() * 1e3, weight, targets)
    torch.testing.assert_close(loss, F.cross_entropy(hidden.detach() * 1e3 @ weight.T, targets))
    loss.backward()
    assert weight.grad is not None
    assert bool(weight.grad.isfinite().all())


def test_under_autocast_it_is_the_plain_loss_as_exactly_as_bfloat16_is() -> None:
    hidden, weight, targets = sample()
    expected = torch.autograd.grad(F.cross_entropy(hidden @ weight.T, targets), [hidden, weight])
    with torch.autocast("cpu", torch.bfloat16):
        loss = next_id_loss(hidden, weight, targets, 7)
    torch.testing.assert_close(torch.autograd.grad(loss, [hidden, weight]), expected, rtol=0, atol=2e-3)


def test_the_module_gives_the_loss_and_the_gradients_of_the_model(tiny_vocabulary) -> None:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    model = fresh_model(tiny_config(tokenizer))
    ids = torch.tensor([(tokenizer.encode(text) * 20)[:20] for text in TEXTS[:3]])
    plain = model(ids, labels=ids).loss
    expected = torch.autograd.grad(plain, list(model.parameters()))
    loss = TrainingLoss(model)(ids)
    torch.testing.assert_close(loss, plain, rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.autograd.grad(loss, list(model.parameters())), expected, rtol=0, atol=1e-6)
