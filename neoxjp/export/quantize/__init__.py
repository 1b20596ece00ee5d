"""`neoxjp quantize`: a model folder with fewer bits a weight, within a loss that is measured.

    from neoxjp.export import quantize_folder

    report = quantize_folder("my-model", "my-model-int4", max_loss=0.3)

The numbers of bits and the kernels are in neoxjp/quantization, the folder's format in neoxjp/weights/quantized.py.
"""

from neoxjp.export.quantize.folder import Progress, QuantizationReport, QuantizedTensor, quantize_folder
from neoxjp.export.quantize.measure import Loss, compare_losses
from neoxjp.export.quantize.texts import cut_few, read_texts

__all__ = [
    "Loss",
    "Progress",
    "QuantizationReport",
    "QuantizedTensor",
    "compare_losses",
    "cut_few",
    "quantize_folder",
    "read_texts",
]
