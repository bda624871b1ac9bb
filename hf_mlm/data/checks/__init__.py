"""What `hf_mlm.data.audit` looks into, one idea a file."""
