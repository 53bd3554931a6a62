"""INT4 WEIGHTS, PROVEN BEFORE USE: calibration on a role's own talk, a method, a gate that judges the file itself.

Goes one way: calibration → methods → gate → search → report; nothing here is imported by the server. It knows no room,
no engine and no command line.
"""
