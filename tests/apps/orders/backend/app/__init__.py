"""Orders: an app unlike the sample, which the tests preview beside it."""
