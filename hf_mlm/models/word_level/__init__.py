"""What the taggers that read words, and no sub-tokens, share: vocabulary, vectors, processor, encoder."""
