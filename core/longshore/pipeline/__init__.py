"""The pipeline: moves units from planning to their outcome, through journal and driver."""
