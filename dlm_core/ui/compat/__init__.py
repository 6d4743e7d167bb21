"""What works around Gradio 6, a module each, with the reason and a test that fails once the reason is gone."""
