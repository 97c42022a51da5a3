"""The three kinds of stacks, each a table of contents."""
