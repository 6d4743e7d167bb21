"""Unmask: watch a diffusion language model write.

Data flows one way, and a module imports only what stands above it (a test holds this):

    files                   where the bundled models, the player, the recorded runs and the words stand
    step, canvas            plain values, NumPy only: one recorded transition; what is on the table and what is fixed
    noise                   the forward process: schedules alpha(t), corrupt()
    beliefs                 logits to confidence, entropy and the likeliest tokens, in one pass; exact cheap draws
    denoiser                ids and positions to logits; shift, guidance, bans and masks as compositions
    policies                which positions are written or blanked now, with which tokens, and why
    sampler                 sample(): the only denoising loop
    autoregressive          left to right with a KV cache, yielding the same steps
    trace                   the run file: what every view, export and test reads
    figures                 trace to Plotly
    comparison              numbers that tell runs apart
    replay                  the player put together, and one HTML file that replays a run
    models                  names to loaded models
    sudoku, puzzle          boards, solver and generator; a puzzle as a canvas
    lesson                  one training example under noise: what the model believes, and the loss
    line                    who is at work and who waits
    engine                  a request to run-file lines, checked, queued, stoppable
    library                 the models that are offered, those in memory, and the engine of each
    remote, serve           an engine on another machine, asked over HTTP; and the machines: replicas on a Ray cluster
    gallery                 the recorded runs of the page, and how to record them again
    data, training, distillation, evaluation, judge     the bundled model: made and measured
    ui                      the page; with app.py the only code that imports gradio

This package imports nothing on its own: take what you need, `from dlm_core.sampler import sample`.
"""
