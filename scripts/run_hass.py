"""Starts Home Assistant without voice and cameras.

They are part of every start, and would need a C compiler, ffmpeg and libturbojpeg on this
machine; without these the log fills with errors that mean nothing here. Everything else
is Home Assistant as it is.
"""

import sys

from homeassistant import bootstrap
from homeassistant.__main__ import main

bootstrap.DEFAULT_INTEGRATIONS -= {
    "ai_task",
    "assist_satellite",
    "camera",
    "conversation",
    "image_processing",
    "stt",
    "tts",
    "wake_word",
}
sys.exit(main())
