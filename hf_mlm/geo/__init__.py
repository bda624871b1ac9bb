"""The earth: S2 cells, partitions, distances, densities, conformal radii and quotas; NumPy only."""
