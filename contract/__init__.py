"""Names, labels and outputs that the rooms share. It imports no other room."""
