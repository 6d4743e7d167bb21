"""What makes the bundled model, and what measures it; `python -m dlm_core.training` trains."""
