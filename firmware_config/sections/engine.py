"""Table [engine]: the inference engine that runs the networks."""

from typing import Literal

from pydantic import Field

from firmware_config.section import Section


class Engine(Section):
    """The inference engine that runs the networks."""

    name: Literal["auto", "tensorrt", "onnxruntime-cuda", "onnxruntime-cpu"] = "auto"
    """Inference engine. "auto" selects the best one that works here. Naming one that does not work is an error."""
    precision: Literal["auto", "int8", "fp16", "fp32"] = "auto"
    """Precision of the model file. "auto" selects the fastest one that is equally sensitive."""
    threads: int = Field(0, ge=0, le=256)
    """CPU threads for the networks. 0 uses every core."""
    max_batch: int = Field(32, ge=1, le=32)
    """Maximum number of cells classified in one batch."""
    build_memory_mib: int = Field(0, ge=0, le=1 << 20)
    """Memory limit for building the TensorRT engine, in MiB. 0 uses TensorRT's own limit."""
