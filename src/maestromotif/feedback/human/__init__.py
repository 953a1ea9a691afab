"""A person compares captions: what is decided (``sitting``), in the terminal (``terminal``) or on a local page (``web``)."""
