"""MKGFormer (Chen et al. 2022): a text and a vision transformer fused in their upper layers."""
