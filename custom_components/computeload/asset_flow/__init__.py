"""The steps by which an asset is added or changed, one module per source of its values.

``base`` has what all share: the probe, the values to confirm, what is stored. A source's
module asks for what it takes to reach the device, and ends in ``AssetFlow.async_step_confirm``.
``subentry_flow`` beside this folder puts them together.
"""
