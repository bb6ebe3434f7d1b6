"""The durable record of orders, decisions and modes."""
