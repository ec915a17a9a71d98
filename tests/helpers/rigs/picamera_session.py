"""Runs edge-all inside the tree, with two aids for libcamera's virtual camera (which is none of a Raspberry Pi):

it refuses the raw role that picamera2 asks every camera for, and its buffers have a plane more than those that
picamera2 takes from the kernel's heap. picamera2 itself and the driver under test are not changed.
"""

import sys

from picamera2 import Picamera2
from picamera2.allocators import LibcameraAllocator

sys.path.insert(0, "/opt/edge_all")
Picamera2._get_raw_modes = lambda self: [{"format": "NV12", "size": (640, 480)}]  # noqa: ARG005
made = Picamera2.__init__


def with_its_own_buffers(self: Picamera2, *arguments: object, **more: object) -> None:
    made(self, *arguments, **more)
    self.allocator = LibcameraAllocator(self.camera)


Picamera2.__init__ = with_its_own_buffers

from edge_all.cli.main import main  # noqa: E402

main(sys.argv[1:])
