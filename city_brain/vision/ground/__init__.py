"""From pixels to the ground: a plane that a camera looks down upon, with the error of every place on it."""
