"""The web page of ``hf-mlm app``: an image or a text in, a map, neighbours and entities out (extra ``app``)."""
