# Changes the metadata of a collection.
# Chroma replaces it as a whole, so what is to stay is read first. A second run changes nothing more.
collection = client.get_collection("{{table}}", embedding_function=None)
collection.modify(metadata={**(collection.metadata or {}), "owner": "search-team"})
