"""NetHack, through nle: see docs/architecture.md for the parts of a domain."""
