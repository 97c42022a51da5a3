"""What the rooms agree on: names, labels and outputs. It imports no other room."""
