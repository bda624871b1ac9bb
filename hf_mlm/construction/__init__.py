"""Construction of MLM and MMNERD: datatrove pipelines for a laptop or a cluster (extra ``construction``)."""
