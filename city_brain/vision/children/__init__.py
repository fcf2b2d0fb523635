"""Programs beside ours, in which bytes of strangers are unpacked: how they are started, and what they may take."""
