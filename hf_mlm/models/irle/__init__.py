"""IR+LE (MLM paper, Section 5): cross-modal retrieval and location estimation in one model."""
