"""The commands: options -> one frozen request -> pipeline -> exit code."""
