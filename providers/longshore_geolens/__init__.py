"""The Longshore provider for GeoLens."""
