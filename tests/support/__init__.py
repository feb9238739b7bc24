"""What tests of every layer share: deadlines, free ports and child processes. Nothing here knows a part or a service."""
