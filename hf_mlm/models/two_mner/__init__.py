"""2M-NER: a text encoder, two image encoders, contrastive alignment, cross-attention and a CRF."""
