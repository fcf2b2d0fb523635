"""The feed of a running city for people: `watch` prints it, `statement` says what became of a subscription."""
