# Home Assistant serves probatio under the name voluptuous; so do its types.
from probatio import *
