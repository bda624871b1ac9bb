"""How MMNERD is made: captions, proposals of a machine, translations, two annotators and an inspector (2M-NER)."""
