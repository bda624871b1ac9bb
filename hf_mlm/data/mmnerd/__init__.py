"""The dataset `mmnerd`: builder, readers, label schemes, collator."""
