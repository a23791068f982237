"""What the commands of `fiscal-hub` do; hub/cli.py names them and reads the settings."""
