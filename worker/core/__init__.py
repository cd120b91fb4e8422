"""What a message means and what follows from it: pure functions and values, no I/O, no clock."""
