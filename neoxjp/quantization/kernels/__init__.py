"""The network with packed weights in C (network.c), built by the compiler of the machine that it runs on.

A product gives fbgemm's numbers in 0.3 to 0.8 of its time; norms, attention and GELU are part of the same function. Where it
cannot be built, packed_linear.py takes fbgemm's products, and model/unpadded.py torch's operators.
"""

from neoxjp.quantization.kernels.build import NativeUnavailable
from neoxjp.quantization.kernels.network import NativeNetwork, NewRows
from neoxjp.quantization.kernels.weights import NativeWeight, qmax, round_groups

__all__ = ["NativeNetwork", "NativeUnavailable", "NativeWeight", "NewRows", "qmax", "round_groups"]
