"""[engine]: what runs the networks."""

from typing import Literal

from pydantic import Field

from firmware_config.section import Section


class Engine(Section):
    name: Literal["auto", "tensorrt", "onnxruntime-cuda", "onnxruntime-cpu"] = "auto"
    """auto: the best that works here; a named one that does not is an error."""
    precision: Literal["auto", "int8", "fp16", "fp32"] = "auto"
    """Of the model file; auto: the fastest that is as sensitive."""
    threads: int = Field(0, ge=0, le=256)
    """Of the processor, for the networks. 0: every core."""
    max_batch: int = Field(32, ge=1, le=32)
    """Most cells judged at once."""
    build_memory_mib: int = Field(0, ge=0, le=1 << 20)
    """What building TensorRT's engine may take, MiB. 0: its own limit."""
