"""The commands, one module a verb; `worker.cli` parses the arguments and prints the results."""
