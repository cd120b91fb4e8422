"""What operators observe: log, metrics, health."""
