"""The process: signals, systemd, watchdog, bounded calls, start, shutdown, memory."""
