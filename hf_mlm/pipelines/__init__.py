"""What `transformers.pipeline` makes of the package's models."""
