"""Feeds: what the dashboard's cards are sent, now and whenever it is renewed.

One table; each feed's payload lives in the module of its topic. They may use Home Assistant
and everything of a running site; none of them is an entity's attribute, so none is recorded.
"""

from typing import Final

from .base import Feed
from .compute import COMPUTE
from .guide import GUIDE
from .health import HEALTH
from .peaks import PEAKS
from .plan import PLAN
from .savings import SAVINGS

FEEDS: Final[tuple[Feed, ...]] = (PLAN, COMPUTE, PEAKS, SAVINGS, HEALTH, GUIDE)
