"""The page: the player component, the tabs, and the words on them.  With app.py the only code that imports gradio."""

from dlm_core.proxies import EVERYWHERE, without_proxy

# as it is imported Gradio makes clients that fetch files for other pages than this one; with a proxy of SOCKS in the
# environment, which httpx reads only with one more package, that is the end of the import
with without_proxy(EVERYWHERE):
    import gradio  # noqa: F401
