"""Cameras by URI: the registry of schemes, supervision of devices that can be lost, decoding of images."""
