"""The brain: windows, tariffs, forecasts, plans and the control law.

Everything here is pure: no Home Assistant, no I/O, no clock of its own. Time comes in
as an argument. May import the standard library and numpy, and nothing else of this
package (a test holds this).
"""
