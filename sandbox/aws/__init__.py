"""AWS on one machine: moto's APIs, with real databases and real images behind them."""
