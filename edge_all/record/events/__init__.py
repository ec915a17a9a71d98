"""What happens beside the cells: camera events, incidents, verdicts, outbox."""
