"""The Pulumi program: platform (staging) and previews (pr-N)."""
