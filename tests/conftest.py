"""What the tests of the Home Assistant layer share.

The tests of core, drivers and simulator live below this too, and run without Home
Assistant: nothing here may ask for it unless a test does.
"""

import pytest

# Home Assistant's test package brings a package `custom_components` of its own; importing
# ours first makes it the one that is found.
import custom_components.computeload  # noqa: F401


@pytest.fixture(autouse=True)
def find_the_integration(request: pytest.FixtureRequest) -> None:
    """Let Home Assistant load integrations from `custom_components`."""
    if "hass" in request.fixturenames:
        request.getfixturevalue("enable_custom_integrations")
