"""What the built-in telemetry has in common: the metrics, and the integers behind them."""
