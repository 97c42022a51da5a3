"""CI's permissions in AWS: `table` has the rows, `grant` turns them into policies."""
