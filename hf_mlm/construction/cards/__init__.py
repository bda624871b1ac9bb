"""Dataset cards, Croissant and provenance of built datasets."""
