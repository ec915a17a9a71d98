"""TensorRT engine with pycuda. Nothing here is imported before a GPU is requested."""
