# The help centre's articles, for the search of the shop.
# Explicit embeddings everywhere: no model is fetched by a migration. The distance can never be changed afterwards.
client.create_collection(
    "articles",
    metadata={"embedding_model": "letters-1", "dimension": 4},
    configuration={"hnsw": {"space": "cosine"}},
    embedding_function=None,
)
