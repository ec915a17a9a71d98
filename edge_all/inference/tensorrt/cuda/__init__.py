"""CUDA underneath TensorRT: the driver, the GPU's context, buffers."""
