"""An engine on a Ray cluster: replicas that hold a model each, and a desk in front of them that keeps the line."""
