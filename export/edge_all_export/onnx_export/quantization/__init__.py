"""INT8: static quantization, bias correction, quantization-aware training."""
