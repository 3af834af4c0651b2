"""One widget a file. A view follows models and emits what the user wants; it computes nothing."""
