# Says who looks after the articles. Chroma replaces metadata as a whole, so what is to stay is read first.
articles = client.get_collection("articles", embedding_function=None)
articles.modify(metadata={**articles.metadata, "owner": "search-team"})
