"""The live view and its MJPEG stream."""
