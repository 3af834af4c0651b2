"""Icons and sample data that travel with the program."""

from pathlib import Path

FOLDER = Path(__file__).parent
SAMPLE = FOLDER / "samples" / "concepts.npy"
