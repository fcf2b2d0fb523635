"""`python -m city_brain` is `city-brain`."""

from city_brain.cli import main

if __name__ == "__main__":
    main()
