"""Pictures: maps, retrieval sheets, curves, the HTML report."""
