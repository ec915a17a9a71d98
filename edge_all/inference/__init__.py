"""Model files and the engines that run them: ONNX Runtime and TensorRT."""
