"""Model folders as others would have written them, and what a loaded model computes."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer
from neoxjp.weights import PREFIX
from tests.support.tiny_model import our_config, ours

IDS = torch.tensor([[1, 2, 3, 4, 5]])
EMBEDDING = PREFIX + "embed_in.weight"


def load(folder: Path, **options: Any) -> GPTNeoXJapaneseForCausalLM:
    return GPTNeoXJapaneseForCausalLM.from_pretrained(folder, **options)


def logits(model: GPTNeoXJapaneseForCausalLM) -> Tensor:
    with torch.no_grad():
        return model(IDS).logits.float()


def write(folder: Path, state: dict[str, Tensor], **config: Any) -> Path:
    """A folder as someone else's code would have written it: every tensor of its own, no rule of ours applied."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in state.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(our_config().to_dict() | config))
    return folder


def write_pickle(folder: Path, state: dict[str, Tensor], name: str = "pytorch_model.bin", **options: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({key: tensor.detach().clone() for key, tensor in state.items()}, folder / name, **options)
    (folder / "config.json").write_text(json.dumps(our_config().to_dict()))
    return folder


def shard_pickle(folder: Path, state: dict[str, Tensor]) -> Path:
    """The same in two files with an index."""
    names = sorted(state)
    half = len(names) // 2
    parts = {"pytorch_model-00001-of-00002.bin": names[:half], "pytorch_model-00002-of-00002.bin": names[half:]}
    for file, keys in parts.items():
        write_pickle(folder, {key: state[key] for key in keys}, file)
    index = {"weight_map": {key: file for file, keys in parts.items() for key in keys}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return folder


def write_slow(folder: Path, vocabulary: Path, **sizes: int) -> Path:
    """A model that needs some seconds for a long text: to be watched, stopped, or to keep others waiting."""
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(vocabulary)
    end = tokenizer.eos_token_id
    wide = {"hidden_size": 256, "num_hidden_layers": 6, "max_position_embeddings": 4096} | sizes
    ours(vocab_size=tokenizer.vocab_size, bos_token_id=end, eos_token_id=end, **wide).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
