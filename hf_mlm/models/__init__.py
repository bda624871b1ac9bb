"""The models, one folder each: configuration, layers, model, processor."""
