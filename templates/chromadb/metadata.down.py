# Takes the new field out and leaves the others.
# Chroma keeps no empty metadata: where nothing else is left, the field stays.
collection = client.get_collection("{{table}}", embedding_function=None)
rest = {key: value for key, value in (collection.metadata or {}).items() if key != "owner"}
if rest:
    collection.modify(metadata=rest)
