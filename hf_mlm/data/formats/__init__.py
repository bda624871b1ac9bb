"""Readers and writers of the file formats that MLM and MMNERD come in."""
