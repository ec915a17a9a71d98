"""The workstation half of edge-all: data, training, evaluation, export."""
