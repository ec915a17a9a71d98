"""Files on disk: atomic writes, safe names, the state folder."""
