# An empty migration: say here what it changes, and why.
# `client` is ready: a chromadb client of this store's tenant and database. Chroma has no transactions, so one change a
# script is best; what fails half-way is recorded as half-applied. `embedding_function=None` keeps models from being fetched.

# client.create_collection("{{table}}", embedding_function=None)
