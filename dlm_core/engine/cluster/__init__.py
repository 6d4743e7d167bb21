"""An engine on a Ray cluster: replicas that hold a model each, and one deployment in front that keeps the line."""
