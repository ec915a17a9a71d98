"""The stages of a session, one thread each, and the queues between them."""
