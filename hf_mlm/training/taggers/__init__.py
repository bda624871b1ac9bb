"""Training and evaluation of the entity taggers."""
