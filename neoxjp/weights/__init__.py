"""Weight files: load them into a model (device map, offload, packing), save a model, convert a pickle to safetensors."""

from neoxjp.weights.loader import LoadReport, convert_pickle, empty_weights, load_weights, parse_dtype, save_weights
from neoxjp.weights.quantized import (
    BITS,
    FORMAT_VERSION,
    METHOD,
    QuantizedWeight,
    from_parts,
    read_quantization,
    stored_bytes,
    to_parts,
)
from neoxjp.weights.safetensors_io import (
    DTYPES,
    INPUT,
    OUTPUT,
    PREFIX,
    StoredTensor,
    StoredWeights,
    match_tensors,
    open_stored,
    read_tensors,
    same_bytes,
    write_tensors,
)

__all__ = [
    "BITS",
    "DTYPES",
    "FORMAT_VERSION",
    "INPUT",
    "METHOD",
    "OUTPUT",
    "PREFIX",
    "LoadReport",
    "QuantizedWeight",
    "StoredTensor",
    "StoredWeights",
    "convert_pickle",
    "empty_weights",
    "from_parts",
    "load_weights",
    "match_tensors",
    "open_stored",
    "parse_dtype",
    "read_quantization",
    "read_tensors",
    "same_bytes",
    "save_weights",
    "stored_bytes",
    "to_parts",
    "write_tensors",
]
