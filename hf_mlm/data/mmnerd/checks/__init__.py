"""Checks of NER data, one topic a module; `hf_mlm.data.mmnerd.audit` runs them."""
