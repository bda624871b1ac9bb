"""Base classes of the models: configuration, modeling, processing, and the pretrained encoders under them."""
