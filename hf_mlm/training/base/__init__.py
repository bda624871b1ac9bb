"""Training code that IR+LE and the taggers share."""
