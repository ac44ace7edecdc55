"""What the program knows: frozen values, free of any library that does I/O."""
