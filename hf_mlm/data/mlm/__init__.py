"""The dataset `mlm`: builder, readers, collator."""
