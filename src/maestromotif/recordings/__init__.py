"""Episodes kept step by step, with what the game showed: recording them, reading them, exporting them."""

from maestromotif.recordings.pictures import PICTURES_FILE
from maestromotif.recordings.store import RECORDINGS, Recorded, find_recordings, read_recording
from maestromotif.recordings.track import TRACK_FILE, Track

__all__ = ["PICTURES_FILE", "RECORDINGS", "TRACK_FILE", "Recorded", "Track", "find_recordings", "read_recording"]
