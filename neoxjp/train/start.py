"""What training starts from: fresh weights, or a model folder for full fine-tuning, upper layers only, or LoRA."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neoxjp.errors import ParameterError
from neoxjp.hub import BUNDLED, atomic_folder, resolve_folder
from neoxjp.model import GPTNeoXJapaneseConfig, GPTNeoXJapaneseForCausalLM
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.weights import write_tensors

_ADAPTED = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")  # the linears of a layer
_ADAPTER = "default"  # the name that peft gives the matrices


@dataclass(frozen=True)
class Start:
    """Where a run starts, and what of the model it trains."""

    model: str | None = None  # a folder or Hub id that from_pretrained takes; None: fresh weights
    revision: str | None = None  # on the Hub
    freeze: int = 0  # the embedding and this many layers from the bottom are not trained
    lora: int | None = None  # rank of the LoRA matrices (arXiv 2106.09685) beside the linears; then nothing else is trained

    def __post_init__(self) -> None:
        if self.freeze < 0:
            raise ParameterError(f"freeze={self.freeze!r} must be at least 0: the number of layers that are not trained")
        if self.lora is not None and self.lora < 1:
            raise ParameterError(f"lora={self.lora!r} must be at least 1: the rank of the matrices that are trained")
        if self.model is None and (self.freeze or self.lora):
            raise ParameterError("freezing layers or LoRA takes a trained model: name one to start from (--from)")
        if self.freeze and self.lora:
            raise ParameterError("choose one of freezing layers and LoRA, which freezes all of them")


def start_tokenizer(name: str | None, revision: str | None, folder: Path, begun: bool) -> GPTNeoXJapaneseTokenizer:
    """The tokenizer of a model folder or Hub id, its files copied into `folder`.

    Args:
        name: None: the one that the run has begun with, or the bundled one.
        begun: there are checkpoints, whose ids are those of the files in `folder`.

    Raises:
        ParameterError: the run has begun with another vocabulary.
    """
    kept = GPTNeoXJapaneseTokenizer.from_pretrained(str(folder)) if (folder / "vocab.txt").is_file() else None
    if kept is not None and begun and name is None:
        return kept
    asked = GPTNeoXJapaneseTokenizer.from_pretrained(name or BUNDLED, revision=revision)
    if kept is None or kept.vocabulary.contents != asked.vocabulary.contents:
        if kept is not None and begun:
            raise ParameterError(
                f"{str(folder.parent)!r} holds a run with another vocabulary than that of {name!r}: continue with its own, or "
                "name another folder"
            )
        asked.save_pretrained(folder)
    return GPTNeoXJapaneseTokenizer.from_pretrained(str(folder))


def start_model(start: Start, *, seed: int, half: bool) -> GPTNeoXJapaneseForCausalLM:
    """Load the model of `start` and freeze what is not trained.

    Weights that train are float32. Frozen matrices keep the dtype in which they are stored when `half` says that they are only
    used under bf16 autocast (5.3 GB instead of 10.6 for the 2.7B); otherwise they are float32 too.

    Raises:
        ParameterError: more layers to freeze than there are; peft is not installed.
    """
    assert start.model is not None, "fresh weights come from loop.fresh_model"
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(start.model, revision=start.revision, dtype="auto")
    layers = model.config.num_hidden_layers
    if start.freeze > layers:
        raise ParameterError(f"freeze={start.freeze!r}: the model has {layers} layers")
    if start.freeze:
        model.gpt_neox_japanese.embed_in.requires_grad_(False)
        model.gpt_neox_japanese.layers[: start.freeze].requires_grad_(False)
    if start.lora:
        _add_lora(model, start.lora, seed)
    linears = {id(module.weight) for module in model.gpt_neox_japanese.layers.modules() if isinstance(module, nn.Linear)}
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.to(torch.float32, copy=True)  # a copy: what from_pretrained gave may be the mapped file
        elif not half or id(weight) not in linears:
            weight.data = weight.data.float()
    return model


def merged_state(model: GPTNeoXJapaneseForCausalLM, dtype: torch.dtype) -> dict[str, Tensor]:
    """The weights in `dtype` by the names of an ordinary model; LoRA matrices are added to the weights beside them in float32."""
    sums: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        if hasattr(module, "get_base_layer") and hasattr(module, "get_delta_weight"):
            weight = module.get_base_layer().weight.detach()
            sums[f"{name}.weight"] = weight.float() + module.get_delta_weight(_ADAPTER).detach().float()
    state = {}
    for name, tensor in model.state_dict().items():
        if ".lora_" not in name:
            name = name.replace(".base_layer.", ".")
            state[name] = sums.get(name, tensor).to(dtype)
    return state


def save_adapter(model: GPTNeoXJapaneseForCausalLM, out: Path, start: Start) -> None:
    """Write the LoRA matrices alone, as peft's `PeftModel.from_pretrained` reads them."""
    prefix = "base_model.model."
    state = {
        prefix + name.replace(f".{_ADAPTER}.", "."): weight.detach().cpu().contiguous()
        for name, weight in model.state_dict().items()
        if ".lora_" in name
    }
    assert start.lora is not None, "the caller checks it"
    with atomic_folder(out) as folder:
        write_tensors(state, folder / "adapter_model.safetensors")
        _lora_config(start.lora, start.model).save_pretrained(str(folder))


def stored_dtype(name: str, revision: str | None) -> torch.dtype:
    """How the model's weights are stored, as its config says; float32 where it does not say."""
    folder = resolve_folder(name, files=["config.json"], revision=revision)
    return getattr(torch, GPTNeoXJapaneseConfig.from_folder(folder).dtype or "float32")


def _add_lora(model: GPTNeoXJapaneseForCausalLM, rank: int, seed: int) -> None:
    """Freeze the model and put LoRA matrices beside the linears of its layers."""
    config = _lora_config(rank)
    from peft import inject_adapter_in_model

    torch.manual_seed(seed)  # one half of the matrices starts at random
    inject_adapter_in_model(config, model, adapter_name=_ADAPTER)


def _lora_config(rank: int, base: str | None = None) -> Any:
    try:
        from peft import LoraConfig
    except ModuleNotFoundError as error:
        raise ParameterError(f"LoRA needs the package peft, and {error.name!r} is not installed: pip install peft") from error
    pattern = rf"gpt_neox_japanese\.layers\.\d+\.\w+\.(?:{'|'.join(_ADAPTED)})"
    return LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=pattern, base_model_name_or_path=base, task_type="CAUSAL_LM"
    )
