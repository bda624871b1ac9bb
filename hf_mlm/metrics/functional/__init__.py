"""Metrics as pure functions over NumPy arrays."""
