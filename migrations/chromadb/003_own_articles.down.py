articles = client.get_collection("articles", embedding_function=None)
articles.modify(metadata={key: value for key, value in articles.metadata.items() if key != "owner"})
