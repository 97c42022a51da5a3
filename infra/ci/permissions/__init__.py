"""What CI may do in AWS: `table` has the rows, `grant` makes policies of them."""
