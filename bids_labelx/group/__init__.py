"""What the group level makes of the files that participants wrote: pure functions and sums.

`collect` goes through the participants once and keeps a row of figures and the paths of each
series; matrices are read afterwards, one at a time, a combination of them after the other.
"""
