"""The lifecycle around stacks, for CI and for people: what decides, looks, tells and removes."""
