"""What happens in a synthetic city: incidents with their truth, hard negatives, jams as they form, people's reports."""
