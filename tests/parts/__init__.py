"""The system parts that tests need beside Python: a Kafka broker, PostgreSQL, a browser and a mail server.

Each part is found or installed by itself, in this order: an address from the environment, a container where a Docker engine
answers, a program on this machine (installed from the system's packages where it is missing). A part that cannot be had is an
error with a sentence that says why; nothing here is ever skipped. `python -m tests.parts` does the same by hand.

Nothing of this is imported by `services` or `libs`.
"""
