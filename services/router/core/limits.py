"""Limits and constants of the routing core: how much of anything one pool may hold, and how long what is remembered.

Nothing here decides anything; `policies` and the `decide` modules read it. Times are milliseconds.
"""

from __future__ import annotations

from typing import Final

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

# What a pool may hold. Beyond these an input is refused with `limit-reached`.
CONTACTS_MAX: Final = 500_000
AGENTS_MAX: Final = 100_000
QUEUES_MAX: Final = 10_000
SKILLS_MAX: Final = 5_000
SKILLS_PER_AGENT_MAX: Final = 500
CHANNELS_MAX: Final = 50
CALENDARS_MAX: Final = 1_000
RELAXATIONS_MAX: Final = 20
OVERFLOWS_MAX: Final = 20
NOTICE_CHARS_MAX: Final = 1_000
# Threads of which it is known that their contact is in another pool now; the oldest are forgotten first.
FORWARDED_MAX: Final = 200_000
CALENDAR_SPANS_MAX: Final = 1_000

# What a contact may carry. What is beyond is cut, never refused: a customer's message is not lost over a list that is too long.
SKILLS_PER_CONTACT_MAX: Final = 32
ANY_OF_MAX: Final = 8
ALTERNATIVES_MAX: Final = 64
HANDLES_PER_CONTACT_MAX: Final = 20
EMAIL_REFERENCES_MAX: Final = 50
DECLINES_PER_CONTACT_MAX: Final = 64

# Values outside are moved to the nearest bound.
LEVEL_MIN: Final = 1
LEVEL_MAX: Final = 5
PRIORITY_MIN: Final = -10
PRIORITY_MAX: Final = 10
CAPACITY_MAX: Final = 100
UNITS_MAX: Final = 1_000_000
TARGET_MAX_MS: Final = 30 * DAY_MS
OFFER_TIMEOUT_MS: Final = 20 * SECOND_MS
OFFER_TIMEOUT_MIN_MS: Final = SECOND_MS
OFFER_TIMEOUT_MAX_MS: Final = DAY_MS
WRAP_UP_MAX_MS: Final = DAY_MS
TRANSFER_TO_AGENT_MS: Final = MINUTE_MS  # For so long a contact is for the agent that it was passed on to alone.
CONSULTS_PER_CONTACT_MAX: Final = 10
TRANSFERS_MAX: Final = 1_000
TRANSFER_BACK_MAX_MS: Final = 7 * DAY_MS
ABANDONED_KEPT_MAX_MS: Final = 7 * DAY_MS

# How far a provider's clock is believed (backwards from the log's time), and how far the router's own is (forwards).
OCCURRED_AGE_MAX_MS: Final = DAY_MS
CLOCK_LEAD_MAX_MS: Final = MINUTE_MS

# How long ids are remembered, by the facts' own time. Providers retry a webhook for up to seven days.
MESSAGES_KEPT_MS: Final = 8 * DAY_MS
COMMANDS_KEPT_MS: Final = 2 * DAY_MS
RESOLVED_KEPT_MS: Final = 8 * DAY_MS
ENDED_OFFERS_KEPT_MS: Final = HOUR_MS
BUCKET_MS: Final = 10 * MINUTE_MS

# How long it is known who had a customer's last contact, and of how many customers in each bucket of that time.
LAST_AGENTS_KEPT_MS: Final = 30 * DAY_MS
LAST_AGENTS_BUCKET_MS: Final = DAY_MS // 2
LAST_AGENTS_PER_BUCKET_MAX: Final = 20_000

# For how long a contact is for the agent whom an integration names alone, where the queue does not say.
PREFERRED_AGENT_MS: Final = 30 * SECOND_MS
PREFER_LAST_AGENT_MAX_MS: Final = DAY_MS

# After declining a contact (or letting its offer run out) an agent is left alone with it for this long times his declines of it.
BACKOFF_MS: Final = MINUTE_MS
BACKOFF_STEPS_MAX: Final = 10

# How far ahead a callback may be asked for, how often it may be tried, and after what time at the longest.
CALLBACK_AHEAD_MAX_MS: Final = 60 * DAY_MS
CALLBACK_ATTEMPTS_MAX: Final = 20
CALLBACK_RETRY_MAX_MS: Final = 7 * DAY_MS
# Requests for a call that joined one contact and are known by their ids; the oldest are forgotten first.
REQUESTS_PER_CONTACT_MAX: Final = 20

# For so long an agent who left while a contact was offered to him is left alone with it.
PAUSE_MS: Final = 5 * SECOND_MS

# Facts that settling yields at most at a time, unless its caller says otherwise.
SETTLE_FACTS_MAX: Final = 500

# An agent who is there is confirmed once in this part of the time in which he may be silent.
CONFIRMED_PARTS: Final = 4

# How many agents that were passed over an offer's reason names.
LEFT_OUT_MAX: Final = 5
