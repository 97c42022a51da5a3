"""Stand-ins for Pulumi's provider plugins, attached to the engine through its environment."""
