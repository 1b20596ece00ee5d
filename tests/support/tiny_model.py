"""Tiny networks with random weights: ours, and transformers' ("theirs") with the same weights."""

from typing import Any

import torch

from neoxjp.model import CacheDtype, GPTNeoXJapaneseConfig, GPTNeoXJapaneseForCausalLM
from neoxjp.model.attention import Implementation

torch.set_num_threads(1)  # tiny tensors on shared cores: a second thread costs more than it brings

TINY: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "bos_token_id": 59,
    "eos_token_id": 60,
    "initializer_range": 0.2,  # wide enough that greedy paths are not ties
    "attention_dropout": 0.0,
}


def our_config(**changes: Any) -> GPTNeoXJapaneseConfig:
    """A tiny config."""
    return GPTNeoXJapaneseConfig(**(TINY | changes))


def ours(
    seed: int = 0, attn_implementation: Implementation = "auto", cache_dtype: CacheDtype | None = None, **changes: Any
) -> GPTNeoXJapaneseForCausalLM:
    """Our tiny network with random weights, ready to generate."""
    torch.manual_seed(seed)
    return GPTNeoXJapaneseForCausalLM(our_config(**changes), attn_implementation, cache_dtype).eval()


def pair(seed: int = 0, attn_implementation: Implementation = "auto", **changes: Any) -> tuple[GPTNeoXJapaneseForCausalLM, Any]:
    """The same random weights in our network and in transformers'; biases and norms are random too, so none goes unnoticed."""
    from transformers import GPTNeoXJapaneseConfig as TheirConfig
    from transformers import GPTNeoXJapaneseForCausalLM as TheirModel

    config = our_config(**changes)
    torch.manual_seed(seed)
    theirs = TheirModel(TheirConfig(**config.to_dict())).eval()
    with torch.no_grad():
        for name, weight in theirs.named_parameters():
            if weight.dim() == 1:
                weight.copy_(torch.randn_like(weight) * 0.3 + ("norm.weight" in name))
    our = GPTNeoXJapaneseForCausalLM(config, attn_implementation).eval()
    our.load_state_dict(theirs.state_dict())
    return our, theirs
