"""Training and evaluation of IR+LE."""
