"""UMGF (Zhang et al. 2021): words and image regions as the nodes of one graph."""
