"""A GPT-NeoX folder: config.json and one safetensors file, written tensor by tensor."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from neoxjp.export.parts import Part, gpt_neox_parts, write_safetensors
from neoxjp.model import GPTNeoXJapaneseConfig


def gpt_neox_config(config: GPTNeoXJapaneseConfig, dtype: torch.dtype) -> dict[str, Any]:
    """config.json of a GPT-NeoX model, in the spelling of transformers 4 and of 5."""
    raw = config.to_dict()
    del raw["intermediate_multiple_size"]
    return raw | {
        "architectures": ["GPTNeoXForCausalLM"],
        "model_type": "gpt_neox",
        "intermediate_size": config.intermediate_size,
        "use_parallel_residual": False,
        "attention_bias": True,
        "tie_word_embeddings": False,
        "torch_dtype": str(dtype).removeprefix("torch."),
    }


def write_gpt_neox(config: GPTNeoXJapaneseConfig, parts: Sequence[Part], folder: Path) -> None:
    """config.json and model.safetensors of a GPT-NeoX model into an existing folder."""
    named = gpt_neox_parts(parts)
    raw = gpt_neox_config(config, parts[0].dtype)
    (folder / "config.json").write_text(json.dumps(raw, indent=2) + "\n", encoding="utf-8")
    write_safetensors(named, folder / "model.safetensors")
