"""What all nodes share: profiles, parameters, the error border, joining by stamp, conversions, the main function."""
