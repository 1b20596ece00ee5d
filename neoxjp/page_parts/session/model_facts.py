"""What is known about a model that runs, as plain values: for the Model tab, its endpoint, and a page in another process."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neoxjp.model import weight_bytes
from neoxjp.quantization import describe_linears

if TYPE_CHECKING:
    import torch

    from neoxjp.model import GPTNeoXJapaneseForCausalLM


@dataclass(frozen=True)
class AttentionFacts:
    """Which attention kernel processes a prompt, and why it is not flash."""

    kernel: str
    flash_refused: str | None


@dataclass(frozen=True)
class ModelFacts:
    """The facts."""

    name: str
    source: str  # a Hub id, "bundled", or a folder
    revision: str | None
    parameters: int
    dtype: str
    quantization: str | None
    cache_dtype: str
    linears: str
    stored_dtype: str | None
    format: str | None
    tied_output: bool
    device_map: dict[str, str]
    weight_bytes: int
    cache_bytes_per_token: int
    context: int
    threads: int
    rows_are_independent: bool
    attention: AttentionFacts
    config: dict[str, Any]


def model_facts(model: "GPTNeoXJapaneseForCausalLM", name: str, source: str, revision: str | None) -> ModelFacts:
    """The facts of a model of this process. name, source, revision: as they are shown."""
    import torch

    report, backend = model.load_report, model.attention_backend()
    return ModelFacts(
        name=name,
        source=source,
        revision=(report.revision if report else None) or revision,
        parameters=model.num_parameters,
        dtype=_name(model.dtype),
        quantization=model.quantization,
        cache_dtype=model.cache_dtype,
        linears=describe_linears(model),
        stored_dtype=_name(report.stored_dtype) if report else None,
        format=report.format if report else None,
        tied_output=model.config.tie_word_embeddings,
        device_map={name: str(device) for name, device in report.device_map.items()} if report else {"": str(model.device)},
        weight_bytes=weight_bytes(model),
        cache_bytes_per_token=model.cache_bytes_per_token,
        context=model.config.max_position_embeddings,
        threads=torch.get_num_threads(),
        rows_are_independent=model.rows_are_independent,
        attention=AttentionFacts(backend.name, backend.refused),
        config=model.config.to_dict(),
    )


def _name(dtype: "torch.dtype") -> str:
    return str(dtype).removeprefix("torch.")
