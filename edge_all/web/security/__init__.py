"""Protection of each request: the security middleware, permissions by role, access of monitoring programs."""
