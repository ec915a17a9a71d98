"""TensorRT with pycuda. Nothing here is imported before a GPU is asked for."""
