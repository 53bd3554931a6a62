"""From scenes to examples: a role's moments, divided and cleaned, rendered by the code that serves."""
