"""Who answers: our own server or somebody else's, where it is, and what it says of itself."""
