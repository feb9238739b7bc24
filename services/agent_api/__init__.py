"""What agent desktops and supervisors call: REST, WebSocket and the console."""
