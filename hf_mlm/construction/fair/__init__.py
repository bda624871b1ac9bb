"""What makes a folder of Parquet findable and reusable: a card, Croissant, provenance and licences."""
