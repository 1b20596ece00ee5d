"""Weight files: load them into a model (device map, offload, packing), save a model, convert a pickle to safetensors."""

from neoxjp.weights.loader import LoadReport, convert, empty_weights, load_weights, parse_dtype, save_weights
from neoxjp.weights.safetensors_io import DTYPES, INPUT, OUTPUT, PREFIX, Stored, match, open_stored, same_bytes

__all__ = [
    "DTYPES",
    "INPUT",
    "OUTPUT",
    "PREFIX",
    "LoadReport",
    "Stored",
    "convert",
    "empty_weights",
    "load_weights",
    "match",
    "open_stored",
    "parse_dtype",
    "same_bytes",
    "save_weights",
]
