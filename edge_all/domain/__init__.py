"""The domain types: labels, frames, fields, detections, classifications, cells; statistics of counts."""
