"""The routing core: decides, from one pool's state and one input, which facts follow, and folds facts into the state.

Pure: no I/O, no clock, no randomness, no logging, no awaits. The router's shell, replay and the simulation call what `step`,
`model`, `snapshot` and `invariants` name as public.
"""
