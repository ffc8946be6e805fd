client.get_collection("articles", embedding_function=None).delete(ids=["returns", "payment", "delivery"])
