"""The papers' experiments, their published figures, and one command that puts ours beside them."""
