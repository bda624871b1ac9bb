"""Configurations, models and processors: one folder a model, shared layers in ``layers``."""
