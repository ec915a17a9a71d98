"""Video4Linux cameras: nodes, ioctls, controls."""
