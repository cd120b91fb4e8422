"""The channels that notices go to, one package each."""
