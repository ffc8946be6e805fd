# Creates a collection with its metadata and its distance.
# The distance (`l2`, `cosine`, `ip`) can never be changed, and neither can the dimension, which the first record sets:
# for another one see the template `reembed`.
client.create_collection(
    "{{table}}",
    metadata={"embedding_model": "text-embedding-3-small", "dimension": 1536},
    configuration={"hnsw": {"space": "cosine", "ef_construction": 200}},
    embedding_function=None,
)
