"""The demo: simulated customers, agents, mail boxes and phones.

A client of the services' public HTTP and WebSocket interfaces, as any integration is one; it imports no service and must not.
"""
