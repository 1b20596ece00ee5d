"""Model folders by name: a folder of this machine, or a Hugging Face Hub id whose files are downloaded.

Finds and downloads files, chooses the weight files of a folder, reads JSON, and replaces whole folders. Loads no torch.
"""

from neoxjp.hub.download import ABEJA, KNOWN_CONVERSIONS, Progress, resolve, resolve_file, resolve_model, revision_of
from neoxjp.hub.local import WEIGHT_PATTERNS, WeightFiles, atomic_folder, bundled_path, find_weights, read_json, write_error

__all__ = [
    "ABEJA",
    "KNOWN_CONVERSIONS",
    "WEIGHT_PATTERNS",
    "Progress",
    "WeightFiles",
    "atomic_folder",
    "bundled_path",
    "find_weights",
    "read_json",
    "resolve",
    "resolve_file",
    "resolve_model",
    "revision_of",
    "write_error",
]
