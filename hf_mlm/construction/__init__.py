"""How MLM and MMNERD are made: datatrove pipelines that run on a laptop and on a cluster (extra ``construction``)."""
