"""One upload interface for document-ingestion vendors: start, send parts, complete, poll."""
