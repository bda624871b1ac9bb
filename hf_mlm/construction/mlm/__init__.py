"""How MLM is made: from Wikidata, Wikipedia and Wikimedia Commons to Parquet that `load_dataset` opens (MLM §3)."""
