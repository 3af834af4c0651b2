"""What the views show: plain state with change signals, no widgets."""
