"""The page: the player component, the tabs, and the words on them.  With app.py the only code that imports gradio."""
