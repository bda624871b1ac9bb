"""Every hot path against its named peer: ``hf-mlm benchmark``. One module a path; `catalog` lists them."""
