"""The clients that are measured: each module imports what it needs, so that it can be missing."""
