"""BERT-CRF: any text encoder with a linear-chain CRF, or with a softmax."""
