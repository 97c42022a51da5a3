"""What runs in a cluster that the program makes and AWS has no add-on for: pinned, and updated."""
