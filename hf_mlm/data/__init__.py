"""From files to batches: builders, readers, collators."""
