"""Weight files: load them into a model (device map, offload, packing), save a model, convert a pickle to safetensors."""

from neoxjp.weights.loader import LoadReport, convert_pickle, empty_weights, load_weights, parse_dtype, save_weights
from neoxjp.weights.safetensors_io import (
    DTYPES,
    INPUT,
    OUTPUT,
    PREFIX,
    StoredTensor,
    match_tensors,
    open_stored,
    same_bytes,
    write_tensors,
)

__all__ = [
    "DTYPES",
    "INPUT",
    "OUTPUT",
    "PREFIX",
    "LoadReport",
    "StoredTensor",
    "convert_pickle",
    "empty_weights",
    "load_weights",
    "match_tensors",
    "open_stored",
    "parse_dtype",
    "same_bytes",
    "save_weights",
    "write_tensors",
]
