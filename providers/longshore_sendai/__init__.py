"""The Longshore provider for Send AI."""
