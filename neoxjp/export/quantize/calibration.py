"""Each linear of the network rounded to each number of bits that the mixture may use, and what each would cost.

Forward, layer by layer: the activations of the calibration text decide the rounding (quantization/rounding.py). Backward: an
error e in a linear's output costs about ½ (g · e)² nats, where g is the gradient of minus the log probability of an id that is
drawn from the model's own prediction (the empirical Fisher information; Optimal Brain Surgeon's quadratic estimate). One pass
gives the cost of every weight at every number of bits, where measuring each would take a pass for each of them.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor

from neoxjp.export.quantize.network import LINEARS, LayerByLayer, watch_inputs
from neoxjp.export.quantize.texts import TextHalf, Window
from neoxjp.quantization import (
    GROUP,
    GroupBits,
    feedback_factor,
    round_to_groups,
    round_to_int8,
    round_with_feedback,
)
from neoxjp.weights import INPUT, PREFIX, QuantizedWeight, from_parts, read_tensors, to_parts, write_tensors

Calibration = Literal["gptq", "none"]
GRADIENT_TOKENS = 2048  # that the costs are estimated from; their hidden states are in memory for all layers
Tick = Callable[[], None]


@dataclass
class Candidates:
    """Rounded weights in files: one for each weight and number of bits."""

    folder: Path
    cost: dict[tuple[str, int], float] = field(default_factory=dict)  # estimated, in nats per token

    def put(self, name: str, weight: QuantizedWeight, bits: int) -> None:
        write_tensors(to_parts(name, weight), self._path(name, bits))

    def get(self, name: str, bits: int) -> QuantizedWeight:
        """The weight; what needs no unpacking stays memory-mapped."""
        return from_parts(name, self.parts(name, bits), bits)

    def parts(self, name: str, bits: int) -> dict[str, Tensor]:
        """Its tensors as they are stored, memory-mapped."""
        return read_tensors(self._path(name, bits))

    def _path(self, name: str, bits: int) -> Path:
        return self.folder / f"{name}.{bits}.safetensors"


def possible_bits(shape: Sequence[int], wanted: Sequence[int]) -> tuple[int, ...]:
    """The numbers of bits that a weight (out, in) can have: a row that is no whole groups of 32 has 8."""
    return tuple(wanted) if shape[1] % GROUP == 0 else (8,)


@torch.no_grad()
def round_linears(
    network: LayerByLayer,
    text: TextHalf | None,
    candidates: Candidates,
    wanted: Sequence[int],
    feedback: bool,
    tick: Tick,
) -> list[Tensor]:
    """Write the rounded weights of all layers, and of the embedding at 8 bits.

    Args:
        text: calibrates the rounding; None: nothing is computed but the nearest numbers.
        wanted: numbers of bits.
        feedback: errors are compensated in later channels, by the activations of the text; False: the nearest numbers.
    Returns:
        The inputs of each layer for `gradient_windows`, (tokens, C) float16, and at the end the last layer's output; nothing
        without a text.
    """
    for name in {PREFIX + INPUT, network.output_name}:
        candidates.put(name, round_to_int8(network.stored.read(network.tensors[name])), 8)
    windows = [] if text is None else [window.ids for window in text.windows]
    first = len(gradient_windows(text)) if text is not None else 0
    hidden = network.embed(windows)
    inputs = [torch.cat(hidden[:first]).half()] if first else []
    for number in range(network.config.num_hidden_layers):
        moments: dict[str, Tensor] = {}
        if text is not None:
            layer = network.layer(number)

            def see(name: str, x: Tensor, moments: dict[str, Tensor] = moments) -> None:
                if name not in moments:
                    moments[name] = torch.zeros(x.shape[1], x.shape[1])
                moments[name].addmm_(x.t(), x)

            with watch_inputs(layer, see) if feedback else nullcontext():
                hidden = [network.forward(layer, state) for state in hidden]
            inputs.append(torch.cat(hidden[:first]).half())
            del layer
        for inner, name in zip(LINEARS, network.linear_names(number), strict=True):
            weight = network.read(name)
            found = moments.pop(inner, None)
            if found is not None:
                found /= text.tokens if text is not None else 1
            _round(candidates, name, weight, possible_bits(weight.shape, wanted), found)
        tick()
    return inputs


def gradient_windows(text: TextHalf) -> list[Window]:
    """The windows that the costs are estimated from: the first ones, at least one."""
    chosen: list[Window] = []
    for window in text.windows:
        if chosen and sum(len(each.ids) for each in chosen) + len(window.ids) > GRADIENT_TOKENS:
            break
        chosen.append(window)
    return chosen


def estimate_costs(
    network: LayerByLayer, text: TextHalf, inputs: list[Tensor], candidates: Candidates, wanted: Sequence[int], tick: Tick
) -> None:
    """Fill `candidates.cost` for the linears of all layers, from the last layer back to the first.

    Args:
        inputs: from `round_linears`; each is freed when it has been used.
    """
    windows = gradient_windows(text)
    sizes = [len(window.ids) for window in windows]
    gradients = _output_gradients(network, inputs.pop().float().split(sizes))
    for number in reversed(range(network.config.num_hidden_layers)):
        layer = network.layer(number)
        names = dict(zip(LINEARS, network.linear_names(number), strict=True))
        errors = {
            (inner, bits): candidates.get(name, bits).dequantize() - network.read(name)
            for inner, name in names.items()
            for bits in possible_bits(network.tensors[name].shape, wanted)
        }
        cost = dict.fromkeys(errors, 0.0)
        before = inputs.pop().float().split(sizes)
        for place, state in enumerate(before):
            seen: dict[str, tuple[Tensor, Tensor]] = {}
            state = state.clone().requires_grad_()
            handles = [layer.get_submodule(inner).register_forward_hook(_remember(seen, inner)) for inner in names]
            with torch.enable_grad():
                out = network.forward(layer, state)
                outputs = [seen[inner][1] for inner in names]
                found = torch.autograd.grad(out, [state, *outputs], gradients[place])
            for handle in handles:
                handle.remove()
            gradients[place] = found[0]
            for inner, gradient in zip(names, found[1:], strict=True):
                x = seen[inner][0].detach().flatten(0, -2)
                gradient = gradient.flatten(0, -2)
                for bits in possible_bits(network.tensors[names[inner]].shape, wanted):
                    product = ((x @ errors[inner, bits].t()) * gradient).sum(1)
                    cost[inner, bits] += float(product.double().square().sum()) / 2
        candidates.cost |= {(names[inner], bits): total / sum(sizes) for (inner, bits), total in cost.items()}
        tick()


def _round(candidates: Candidates, name: str, weight: Tensor, wanted: Sequence[int], moments: Tensor | None) -> None:
    factor, importance = None, None
    if moments is not None and any(bits < 8 for bits in wanted):
        importance = moments.diagonal().clone()
        factor = feedback_factor(moments)
    for bits in wanted:
        rounded: QuantizedWeight
        if bits == 8:
            rounded = round_to_int8(weight)
        elif factor is None or importance is None:
            rounded = round_to_groups(weight, cast(GroupBits, bits))
        else:
            rounded = round_with_feedback(weight, cast(GroupBits, bits), importance, factor)
        candidates.put(name, rounded, bits)


def _output_gradients(network: LayerByLayer, hidden: Sequence[Tensor]) -> list[Tensor]:
    """The gradient at the last layer's output of minus the log probability of ids drawn from the prediction, (T, C) each."""
    generator = torch.Generator().manual_seed(0)
    output = network.read(network.output_name)
    gradients = []
    for state in hidden:
        state = state.clone().requires_grad_()
        with torch.enable_grad():
            logprobs = (network.norm(state) @ output.t()).log_softmax(1)
            drawn = torch.multinomial(logprobs.detach().exp(), 1, generator=generator)
            gradients.append(torch.autograd.grad(-logprobs.gather(1, drawn).sum(), state)[0])
    return gradients


def _remember(seen: dict[str, tuple[Tensor, Tensor]], name: str) -> Callable[..., None]:
    def hook(_: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen[name] = (inputs[0], output)

    return hook
