"""Emulators of Pulumi's provider plugins, attached to the engine by its environment."""
