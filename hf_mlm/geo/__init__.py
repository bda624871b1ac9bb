"""The earth: S2 cells, partitions, distances and quotas; NumPy only."""
