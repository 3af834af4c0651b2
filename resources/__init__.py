"""Icons and sample data that travel with the program."""

from pathlib import Path

FOLDER = Path(__file__).parent
ICONS = FOLDER / "icons"
SAMPLE = FOLDER / "samples" / "concepts.npy"
