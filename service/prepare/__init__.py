"""Makes a database safe to hand to an application: roles, ownership, grants, proof."""
