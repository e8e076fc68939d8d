"""From a table of experiments to the next experiments: reading, constraints, model, choice, backtest, report."""
