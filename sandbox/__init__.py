"""A cloud on one machine for the same Pulumi program: real where it can be, emulated where not."""
