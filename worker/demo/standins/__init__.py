"""Far sides on the loopback interface, for the demo and the tests: strict, and told to fail."""
