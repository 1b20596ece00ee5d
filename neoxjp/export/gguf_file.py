"""A GGUF file of architecture "gptneox" for llama.cpp, written tensor by tensor through the package gguf.

With its vocabulary llama.cpp decodes ids. It cannot encode text as our tokenizer does: send ids to llama.cpp. Its kind
is "llama" (SentencePiece), whose pieces are plain text and which knows single bytes.
"""

import importlib
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from neoxjp.errors import ParameterError
from neoxjp.export.gguf_blocks import TYPES, to_blocks
from neoxjp.export.parts import Part, check_disk, gpt_neox_parts
from neoxjp.model import GPTNeoXJapaneseConfig
from neoxjp.quantization import GROUP
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

GGUF_TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0")  # of the matrices; norms and biases stay float32
STORED = "stored"  # another type: the numbers of a quantized folder in GGUF's nearest formats (gguf_blocks.py)
NORMAL, CONTROL, BYTE = 1, 3, 6  # llama.cpp's kinds of tokens


def check_gguf(config: GPTNeoXJapaneseConfig, kind: str) -> Any:
    """The package gguf. Raises ParameterError where it is missing, or llama.cpp has no such network or type."""
    if kind not in (*GGUF_TYPES, STORED):
        raise ParameterError(f"type={kind!r} must be one of {', '.join(map(repr, (*GGUF_TYPES, STORED)))}")
    if config.hidden_act not in ("gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh"):
        raise ParameterError(f"llama.cpp computes GPT-NeoX with gelu only, but this model's hidden_act is {config.hidden_act!r}")
    if kind.startswith("q") and config.hidden_size % 32:
        raise ParameterError(f"type={kind!r} packs rows in blocks of 32, but hidden_size is {config.hidden_size}: choose 'f16'")
    if importlib.util.find_spec("gguf") is None:
        raise ParameterError("writing a GGUF file needs the package gguf, which is not installed: pip install gguf")
    return importlib.import_module("gguf")


def write_gguf(
    config: GPTNeoXJapaneseConfig,
    parts: Sequence[Part],
    path: Path,
    kind: str = "f16",
    tokenizer: GPTNeoXJapaneseTokenizer | None = None,
    progress: Callable[[str], None] | None = None,
) -> None:
    """One GGUF file of architecture "gptneox". With a tokenizer, llama.cpp can write the text of ids; it cannot encode.

    Raises ParameterError, and CheckpointError where the disk is too full.
    """
    import numpy

    gguf = check_gguf(config, kind)
    types = gguf.GGMLQuantizationType
    if kind == STORED and not any(part.bits for part in parts):
        raise ParameterError(
            f"type={kind!r} writes the numbers of a folder of `neoxjp quantize`, and this one is not quantized: "
            f"choose one of {', '.join(map(repr, GGUF_TYPES))}"
        )

    def type_of(part: Part) -> Any:
        if len(part.shape) == 1:
            return types.F32
        if kind != STORED:
            return types[kind.upper()]
        return types[TYPES[part.bits] if part.bits is not None and part.shape[1] % GROUP == 0 else "F16"]

    writer = gguf.GGUFWriter(path, "gptneox")
    writer.add_name("GPT-NeoX-Japanese")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_rope_dimension_count(config.rotary_ndims)
    writer.add_rope_freq_base(config.rotary_emb_base)
    writer.add_layer_norm_eps(config.layer_norm_eps)
    writer.add_parallel_residual(False)
    writer.add_vocab_size(config.vocab_size)
    most = TYPES[min(part.bits for part in parts if part.bits)] if kind == STORED else kind.upper()
    writer.add_file_type(gguf.LlamaFileType["ALL_F32" if kind == "f32" else f"MOSTLY_{most}"])
    vocabulary_keys(writer, config, tokenizer)
    named = [(_gguf_name(part.name), part) for part in gpt_neox_parts(parts)]
    total = 0
    for name, part in named:
        own = type_of(part)
        block, size = gguf.GGML_QUANT_SIZES[own]
        nbytes = torch.Size(part.shape).numel() // block * size
        writer.add_tensor_info(name, part.shape, numpy.dtype(numpy.float32), nbytes, own)
        total += nbytes
    check_disk(path.parent, total)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, part in named:
            if progress is not None:
                progress(name)
            own = type_of(part)
            as_stored = kind == STORED and part.read_quantized is not None and own != types.F16
            tensor = to_blocks(part.read_quantized()) if as_stored and part.read_quantized else part.read().float()
            if "attn_qkv" in name:  # ours is ordered by head; llama.cpp has all queries first, then keys, then values
                heads = tensor.view(config.num_attention_heads, 3, config.head_dim, *tensor.shape[1:])
                tensor = heads.transpose(0, 1).reshape(tensor.shape)
            writer.write_tensor_data(tensor.numpy() if as_stored else gguf.quantize(tensor.numpy(), own))
    finally:
        writer.close()
    with path.open("rb") as file:
        os.fsync(file.fileno())


_GGUF_NAMES: Mapping[str, str] = {
    "input_layernorm": "attn_norm",
    "attention.query_key_value": "attn_qkv",
    "attention.dense": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.dense_h_to_4h": "ffn_up",
    "mlp.dense_4h_to_h": "ffn_down",
    "embed_in": "token_embd",
    "final_layer_norm": "output_norm",
    "embed_out": "output",
}


def _gguf_name(name: str) -> str:
    """ "gpt_neox.layers.0.attention.dense.weight" → "blk.0.attn_output.weight"."""
    module, _, own = name.removeprefix("gpt_neox.").rpartition(".")
    if not module.startswith("layers."):
        return f"{_GGUF_NAMES[module]}.{own}"
    _, number, inner = module.split(".", 2)
    return f"blk.{number}.{_GGUF_NAMES[inner]}.{own}"


def vocabulary_pieces(size: int, specials: set[int], tokenizer: GPTNeoXJapaneseTokenizer | None) -> list[tuple[str, int]]:
    """(text, kind) of each id: "慶応", "▁" for a blank, "<0xE3>" for a byte; "[17]" where it has no unique text."""
    found: list[tuple[str, int]] = []
    seen: set[str] = set()
    for id in range(size):
        text, kind = "", NORMAL
        if id in specials:
            kind = CONTROL
        elif tokenizer is not None and id < tokenizer.vocab_size:
            piece = tokenizer.spellings(id)[0]
            if piece.startswith("<|byte") and piece[6:-2].isdigit():
                text, kind = f"<0x{int(piece[6:-2]):02X}>", BYTE
            else:
                text = tokenizer.decode([id]).replace(" ", "▁")
        if not text or text in seen:
            text, kind = f"[{id}]", CONTROL if id in specials else NORMAL
        seen.add(text)
        found.append((text, kind))
    return found


def vocabulary_keys(writer: Any, config: GPTNeoXJapaneseConfig, tokenizer: GPTNeoXJapaneseTokenizer | None) -> None:
    """Add the vocabulary to a gguf.GGUFWriter."""
    specials = {*config.eos_ids} | ({config.bos_token_id} if config.bos_token_id is not None else set())
    found = vocabulary_pieces(config.vocab_size, specials, tokenizer)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text.encode() for text, _ in found])
    writer.add_token_scores([0.0] * len(found))
    writer.add_token_types([kind for _, kind in found])
    end = config.eos_ids[0] if config.eos_ids else config.vocab_size - 1
    writer.add_bos_token_id(config.bos_token_id if config.bos_token_id is not None else end)
    writer.add_eos_token_id(end)
    writer.add_unk_token_id(end)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
