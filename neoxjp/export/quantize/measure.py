"""The loss of a quantized model: how many more bits a character takes, measured layer by layer, with an interval."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neoxjp.export.quantize.network import LayerByLayer, nats, round_activations, watch_inputs
from neoxjp.export.quantize.texts import TextHalf
from neoxjp.weights import INPUT, PREFIX

SAMPLES = 2000  # of the bootstrap
Tick = Callable[[], None]  # called after each layer


@dataclass(frozen=True)
class Loss:
    """How much more a text takes than with the original model, in percent of its bits per character."""

    percent: float
    low: float  # 95 % interval, from drawing the texts again with replacement
    high: float
    bits_per_character: float  # of the quantized model
    original: float  # bits per character of the original


@torch.inference_mode()
def document_nats(
    network: LayerByLayer,
    text: TextHalf,
    replaced: Mapping[str, Callable[[], Tensor]] | None = None,
    tick: Tick = lambda: None,
) -> Tensor:
    """Minus the log probability of each text in nats, (texts,) float64.

    Args:
        replaced: weights that take the place of the stored ones, read when they are used. With them the activations are rounded
            to 8 bits too, as the kernels for packed weights do.
    """

    def read(name: str) -> Tensor:
        found = (replaced or {}).get(name)
        return network.read(name) if found is None else found()

    windows = [window.ids for window in text.windows]
    embedding = PREFIX + INPUT
    hidden = network.embed(windows, read(embedding) if replaced else None)
    for number in range(network.config.num_hidden_layers):
        layer = network.layer(number, read)
        if replaced:
            with watch_inputs(layer, lambda _, x: round_activations(x)):
                hidden = [network.forward(layer, state) for state in hidden]
        else:
            hidden = [network.forward(layer, state) for state in hidden]
        tick()
    output = read(network.output_name)
    total = torch.zeros(len(text.texts), dtype=torch.float64)
    for window, state in zip(text.windows, hidden, strict=True):
        last = network.norm(state)
        total[window.text] += nats(round_activations(last) if replaced else last, output, window.targets)
    tick()
    return total


def compare_losses(original: Tensor, quantized: Tensor, texts: Sequence[str]) -> Loss:
    """The loss over all texts, and its interval.

    Args:
        original, quantized: nats of each text, (texts,) float64.
    """
    drawn = torch.randint(len(original), (SAMPLES, len(original)), generator=torch.Generator().manual_seed(0))
    ratios = quantized[drawn].sum(1) / original[drawn].sum(1)
    low, high = torch.quantile(ratios, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    bits = 1 / (torch.log(torch.tensor(2.0, dtype=torch.float64)).item() * sum(map(len, texts)))
    before, after = float(original.sum()), float(quantized.sum())
    return Loss(100 * (after / before - 1), 100 * (low - 1), 100 * (high - 1), after * bits, before * bits)
