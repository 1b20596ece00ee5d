"""Our own layers for packed weights on a CPU (network.c), built by the C compiler of the machine they run on.

A product gives fbgemm's numbers in 0.3 to 0.8 of its time; norms, attention and GELU stand in the same functions (network.py).
Where they cannot be built, linear.py takes fbgemm's products, and packed.py torch's operators.
"""

from neoxjp.quantization.kernels.build import NativeUnavailable
from neoxjp.quantization.kernels.network import NativeNetwork
from neoxjp.quantization.kernels.weights import NativeWeight, most

__all__ = ["NativeNetwork", "NativeUnavailable", "NativeWeight", "most"]
