"""Every hot path against its named peer, for ``hf-mlm benchmark``; `harness.BENCHMARKS` lists them."""
