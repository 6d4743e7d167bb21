"""The tabs of the page, a module each: `build(engine, ...)` lays one out and wires it; handlers are plain functions."""
