"""An adapter learns a role's lines: transformers and PEFT do it, this says what, when to stop, and shows it."""
