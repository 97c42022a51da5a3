"""Examination of what a platform needs around itself: GitHub's settings, AWS, and reach.

`finding` has the forms of a check and its result. `expected` is what should be there. `guards`,
`deployment`, `aws` and `reach` judge what is there, as pure functions on what was read.
`examination` is the one list of checks.
"""
