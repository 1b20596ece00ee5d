"""`neoxjp bench generate`: one visitor. Time to the first token, decoding speed, the same linear layers alone, the read limit.

Our model runs through the engine, as users get it. Each round has a new prompt, the same for all, so that no cache can help.
"""

import contextlib
import functools
import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from neoxjp.bench import common, peers
from neoxjp.bench.common import OURS, Report, Row
from neoxjp.bench.model_under_test import ModelUnderTest, choose_model
from neoxjp.bench.options import WriteOptions
from neoxjp.bench.peers import Generated, Peer, engine_writes
from neoxjp.errors import ParameterError
from neoxjp.model import GPTNeoXJapaneseForCausalLM, weight_bytes
from neoxjp.quantization import describe_linears, packed_linears

Measure = Callable[[ModelUnderTest, GPTNeoXJapaneseForCausalLM, list[Peer], Any], Report]
LINEARS = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h", "embed_out")  # in the order of a step


def command(options: WriteOptions) -> None:
    """Measure and print."""
    show(measure, options)


def show(measure: Measure, options: WriteOptions) -> None:
    """Check the options, open the peers and our model, and print the table that `measure` makes of them."""
    check_lengths(options)
    measured = choose_model(options.shape, options.model)
    check_context(measured, options.prompt + options.new)
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(peers.open_peer(name, measured, options)) for name in options.against or ()]
        model = measured.load(options.dtype, options.quantization, options.device, options.cache_dtype)
        warm_up(model, measured.prompt(options.prompt, -1), others)
        report = measure(measured, model, others, options)
    report.show(options.json)


def report_of(
    table: str,
    measured: ModelUnderTest,
    model: GPTNeoXJapaneseForCausalLM,
    others: list[Peer],
    options: WriteOptions,
    **facts: Any,
) -> Report:
    """A table without rows: what is measured, and on what."""
    asked = {"prompt": options.prompt, "new": options.new, "device": options.device, "kernel": describe_linears(model)}
    return Report(
        f"bench {table}: {measured.name}",
        {
            "format": model_format(model),
            "cache": model.cache_dtype,
            **facts,
            **asked,
            "speculation": "on" if options.speculate else None,
        },
        machine=common.machine_facts(("torch", *(peer.package for peer in others))),
    )


def measure(measured: ModelUnderTest, model: GPTNeoXJapaneseForCausalLM, others: list[Peer], options: WriteOptions) -> Report:
    """The table."""
    runs: dict[str, Callable[[], Any]] = {
        OURS: _per_round(measured, options, lambda p: engine_writes(model, p, options.new, options.speculate))
    }
    for peer in others:
        if peer.write is not None:
            runs[peer.name] = _per_round(measured, options, functools.partial(peer.write, new=peer.new))
    runs["linears alone"] = linears_alone(model)
    found = common.rounds(runs, options.rounds, warm=0)
    report = report_of("generate", measured, model, others, options)
    ran = [(OURS, "")] + [(peer.name, peer.note) for peer in others]
    for what, unit in (("decode", "tokens/s"), ("first token", "s")):
        for name, note in ran:
            values = tuple(w.rate if what == "decode" else w.first for w in found.get(name, ()))
            report.rows.append(Row(name, what, unit, values, note if what == "decode" else ""))
    report.rows += weights_rows(model, others)
    report.rows.append(Row("linears alone", "decode", "tokens/s", tuple(1 / seconds for seconds in found["linears alone"])))
    reached = statistics.median(written.rate for written in found[OURS])
    cached = model.cache_bytes_per_token * (options.prompt + options.new // 2)  # of the average token of a text
    nbytes = linear_bytes(measured, model) + cached
    report.notes.append(common.limit_note(nbytes, common.read_bandwidth(options.device), reached))
    report.notes.append("linears alone: a loop over our model's own linear layers, one row each, nothing else")
    report.notes += [f"{p.name}: {peers.agreement(found[OURS], found[p.name])}" for p in others if p.name in found]
    return report


def weights_rows(model: GPTNeoXJapaneseForCausalLM, others: list[Peer]) -> list[Row]:
    """How many bytes the weights of each take, and how many that is a weight."""
    held = {OURS: weight_bytes(model)} | {peer.name: peer.nbytes for peer in others}
    count = model.num_parameters
    return [Row(name, "weights", "GB", (nbytes / 1e9,), f"{nbytes / count:.2f} bytes a weight") for name, nbytes in held.items()]


def _per_round(
    measured: ModelUnderTest, options: WriteOptions, write: Callable[[list[int]], Generated]
) -> Callable[[], Generated]:
    """A run with a new prompt each round."""
    prompts = (measured.prompt(options.prompt, number) for number in itertools.count())
    return lambda: write(next(prompts))


def warm_up(model: GPTNeoXJapaneseForCausalLM, prompt: list[int], others: list[Peer]) -> None:
    """Generate two tokens with each, so that one-time work is not measured; whole rounds would take minutes for some peers."""
    engine_writes(model, prompt, 2)
    for peer in others:
        if peer.write is not None:
            common.show_status(f"warming up: {peer.name}")
            peer.write(prompt, new=2)


def linears_alone(model: GPTNeoXJapaneseForCausalLM) -> Callable[[], float]:
    """A run that returns the seconds of one token's linear layers, in the order of the network: the mean of several passes."""
    layers = [(name.rpartition(".")[2], module) for name, module in model.named_modules()]
    layers = [(name, module) for name, module in layers if name in LINEARS]
    config = model.config
    dtype = model.gpt_neox_japanese.final_layer_norm.weight.dtype  # of what the layers get; packed weights have another
    inputs = {width: torch.randn(1, width, dtype=dtype, device=model.device)
              for width in (config.hidden_size, config.intermediate_size)}  # fmt: skip

    def once() -> None:
        for name, layer in layers:
            layer(inputs[config.intermediate_size if name == "dense_4h_to_h" else config.hidden_size])

    @torch.inference_mode()
    def run() -> float:
        done, began = 0, time.perf_counter()
        while done < 3 or (done < 200 and time.perf_counter() - began < 1.0):
            once()
            if model.device.type == "cuda":
                torch.cuda.synchronize()
            done += 1
        return (time.perf_counter() - began) / done

    return run


def model_format(model: GPTNeoXJapaneseForCausalLM) -> str:
    """How its linear layers hold their weights: "int8", "float16", …; "mixed" for several formats."""
    packed = next(packed_linears(model), None)
    return model.quantization or (str(model.dtype).removeprefix("torch.") if packed is None else packed.format)


def linear_bytes(measured: ModelUnderTest, model: GPTNeoXJapaneseForCausalLM) -> int:
    """Bytes of weights that decoding one token reads: those of all linear layers, the output's included."""
    packed = sum(linear.nbytes for linear in packed_linears(model))
    return packed or measured.linear_weights * model.dtype.itemsize


def check_lengths(options: WriteOptions) -> None:
    for name in ("prompt", "new", "rounds"):
        if getattr(options, name) < (2 if name == "new" else 1):
            raise ParameterError(f"{name}={getattr(options, name)!r} must be at least {2 if name == 'new' else 1}")


def check_context(measured: ModelUnderTest, tokens: int) -> None:
    if tokens > measured.config.max_position_embeddings:
        raise ParameterError(
            f"prompt and new tokens are {tokens}, but the context of {measured.name} is "
            f"{measured.config.max_position_embeddings}: lower --prompt or --new"
        )
