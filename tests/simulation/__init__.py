"""The system under a virtual clock, driven by one seed: random customers, agents, crashes and zombies, checked after each stretch.

Everything runs in one thread on `virtual_loop`, on the memory log; the same seed gives the same run, down to the order of every step.
`world` puts the parts together; a new part of the system joins by starting its tasks there, on a `Connection` of its own.
"""
