"""The Longshore provider for Plangrep."""
