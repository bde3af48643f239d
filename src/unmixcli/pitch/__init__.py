"""The pitch of voices in a mix: salience from a network or a tracker, curves of f0 from it."""
