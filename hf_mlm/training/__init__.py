"""Arguments, trainer and recipes."""
