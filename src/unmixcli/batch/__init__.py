"""Many tracks: what goes in, what comes out where, what is done already, and the run itself."""
