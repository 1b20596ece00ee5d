"""Model folders by name: a folder of this machine, or a Hugging Face Hub id whose files are downloaded.

Finds and downloads files, chooses the weight files of a folder, reads JSON, and replaces whole folders. Loads no torch.
"""

from neoxjp.hub.download import (
    ABEJA,
    KNOWN_CONVERSIONS,
    Progress,
    local_folder,
    resolve_file,
    resolve_folder,
    resolve_model,
    revision_of,
)
from neoxjp.hub.local import (
    BUNDLED,
    WEIGHT_PATTERNS,
    WeightFiles,
    atomic_folder,
    bundled_path,
    find_weights,
    read_json,
    sync,
    write_error,
)

__all__ = [
    "ABEJA",
    "BUNDLED",
    "KNOWN_CONVERSIONS",
    "WEIGHT_PATTERNS",
    "Progress",
    "WeightFiles",
    "atomic_folder",
    "bundled_path",
    "find_weights",
    "local_folder",
    "read_json",
    "resolve_file",
    "resolve_folder",
    "resolve_model",
    "revision_of",
    "sync",
    "write_error",
]
