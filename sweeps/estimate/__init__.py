"""What a grid will cost on this machine."""
