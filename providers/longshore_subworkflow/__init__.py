"""The Longshore provider for Subworkflow."""
