"""Looks at what a migration does to a database before the version that needs it is rolled out."""
