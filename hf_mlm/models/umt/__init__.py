"""UMT (Yu et al. 2020): cross-attention of words and image regions, with an auxiliary span detector."""
