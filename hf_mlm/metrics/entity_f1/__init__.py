"""An evaluate module; its script and its card are all there is to it."""
