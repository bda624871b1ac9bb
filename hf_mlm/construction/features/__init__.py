"""Descriptors: images and texts of raw rows as vectors of any encoders (MLM §5.2)."""
