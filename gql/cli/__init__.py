"""The command line: a module a command or a group of commands."""
