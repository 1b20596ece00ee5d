"""The same network for other programs: a GPT-NeoX folder (vLLM, mlx-lm, transformers), or a GGUF file (llama.cpp).

`quantize_folder` writes a model folder of ours with fewer bits a weight.

GPT-NeoX-Japanese equals GPT-NeoX with a sequential residual and biases of zero, except in the last layer's attention: nothing is
lost. The other programs' tokenizers differ from ours, so send ids, as the README beside the exported weights shows. The output
layer is always written, because not every program supports a tied one.
"""

from neoxjp.export.folder import Target, export
from neoxjp.export.gguf_file import GGUF_TYPES, write_gguf
from neoxjp.export.parts import Part, stored_parts, tensor_shapes, write_safetensors
from neoxjp.export.quantize import (
    Loss,
    Progress,
    QuantizationReport,
    QuantizedTensor,
    compare_losses,
    cut_few,
    quantize_folder,
    read_texts,
)

__all__ = [
    "GGUF_TYPES",
    "Loss",
    "Part",
    "Progress",
    "QuantizationReport",
    "QuantizedTensor",
    "Target",
    "compare_losses",
    "cut_few",
    "export",
    "quantize_folder",
    "read_texts",
    "stored_parts",
    "tensor_shapes",
    "write_gguf",
    "write_safetensors",
]
