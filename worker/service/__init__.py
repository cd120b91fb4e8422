"""The process as its service manager sees it: signals, systemd, watchdog, bounded calls."""
