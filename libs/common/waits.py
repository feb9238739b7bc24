"""How long somebody at a place in a line waits, at a pace that was measured. Pure, in whole numbers.

The one formula behind every expected wait: the router's core uses it to tell a contact, the agent API for what it shows. The estimator is
W. Whitt's by the length of the queue (R. Ibrahim and W. Whitt, "Real-time delay estimation in overloaded multiserver queues with
abandonments", 2009, there QL_m): who is at place `p` waits until `p` contacts have come to agents or have gone by themselves.
"""

from __future__ import annotations

from typing import Final

# Beyond the first few, contacts ahead are taken in groups of an eighth of those before them.
_GROUP_BITS: Final = 3


def wait_ms(position: int, step_us: int, patience_us: int | None) -> int:
    """How long the contact at `position` (1 is next) waits on average.

    `step_us`: how long the agents together take for one contact; `patience_us`: how long customers stay on average, None: for ever. With
    `k` ahead who may go by themselves, one is gone after `1 / (1 / step + k / patience)`; the sum of that over all ahead, in milliseconds.
    """
    if patience_us is None:
        return position * step_us // 1000
    total = 0
    ahead = 0
    while ahead < position:
        group = min(max(1, ahead >> _GROUP_BITS), position - ahead)
        # Of a group, as many times the one in its middle.
        twice_middle = 2 * ahead + group - 1
        whole = 2 * patience_us + twice_middle * step_us
        total += group * 2 * step_us * patience_us // whole if whole else 0
        ahead += group
    return total // 1000
