"""The command `unmix`: options in, text, bars and JSON out; nothing is computed here."""
