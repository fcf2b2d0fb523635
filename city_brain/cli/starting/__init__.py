"""`city-brain init`: a site to begin with, small enough to be read whole and to be changed into one's own."""
