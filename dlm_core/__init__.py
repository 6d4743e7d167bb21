"""Unmask: watch a diffusion language model write.

Data flows one way: models, canvas and policies into `sampler.sample()`, its steps into a `trace`, and a trace into
figures, exports and the page.  `docs/architecture.md` has the map of the modules.

This package imports nothing on its own: take what you need, `from dlm_core.sampler import sample`.
"""
