"""Shows a preview in its pull request, or on a terminal."""
