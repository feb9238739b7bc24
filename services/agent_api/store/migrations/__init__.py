"""The history of the agent API's tables; `libs.common.store.run_migrations` runs it."""
