"""The same network for other programs: a GPT-NeoX folder (vLLM, mlx-lm, transformers), or a GGUF file (llama.cpp).

GPT-NeoX-Japanese is GPT-NeoX with a sequential residual and biases of zero but for the last layer's attention, so nothing is
lost. Their tokenizers do not know ours: they are sent ids, as the README that is written beside the weights shows. The output
layer is always written, because not every reader knows a tied one.
"""
