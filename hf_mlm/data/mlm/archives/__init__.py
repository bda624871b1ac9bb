"""Archives of one's own: records, columns, positions, rows, and the check of them all."""
