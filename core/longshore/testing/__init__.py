"""The proof kit for plugin authors: simulation, conformance, cassettes."""
