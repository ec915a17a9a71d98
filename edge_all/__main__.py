"""Entry point of ``python -m edge_all``."""

from edge_all.cli.main import main

main()
