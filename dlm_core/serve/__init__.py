"""`python -m dlm_core.serve`, by the name that operators know: `dlm_core.engine.cluster` on a Ray cluster."""
