"""Collector on a server for the microscopes of a laboratory. Only this package uses PostgreSQL."""
