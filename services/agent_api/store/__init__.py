"""The agent API's own tables, their migrations and the queries over them. No other service reads them."""
