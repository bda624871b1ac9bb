"""Word-level taggers: BiLSTM-CRF, HBiLSTM-CRF and AdaCAN."""
