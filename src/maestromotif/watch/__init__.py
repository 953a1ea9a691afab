"""A project while a command is at work in it, seen from outside: only files are read that the command writes anyway."""
