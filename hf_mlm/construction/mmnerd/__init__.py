"""Construction of MMNERD: captions, a machine's proposals, translations, two annotators and an inspector (2M-NER)."""
