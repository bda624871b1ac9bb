"""Construction of MLM: from Wikidata, Wikipedia and Wikimedia Commons to Parquet for `load_dataset` (MLM §3)."""
