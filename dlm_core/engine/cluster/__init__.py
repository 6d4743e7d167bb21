"""An engine on a Ray cluster: replicas that hold a model each, and one ingress that keeps the queue."""
