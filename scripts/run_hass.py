"""Starts Home Assistant without voice and cameras.

They are part of every start, and their native libraries would need a C compiler, ffmpeg and
libturbojpeg on this machine; without these the log fills with errors that mean nothing here.
Everything else is Home Assistant as it is.
"""

from importlib.util import find_spec
import sys
from types import ModuleType

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

# The list of all actions, which every page asks for, imports them nevertheless.
for name, member in {"pymicro_vad": "MicroVad", "pyspeex_noise": "AudioProcessor"}.items():
    if find_spec(name) is None:
        sys.modules[name] = ModuleType(name, "Stands in for a library that is not used here.")
        setattr(sys.modules[name], member, object)
sys.modules["turbojpeg"] = ModuleType("turbojpeg", "Stands in for a library not used here.")
setattr(sys.modules["turbojpeg"], "TurboJPEG", object)  # noqa: B010 - a module has no such slot

sys.exit(main())
