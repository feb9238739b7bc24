"""What stands on the streams. Every type is a frozen, tagged msgspec struct; the tag is its CloudEvents type."""
