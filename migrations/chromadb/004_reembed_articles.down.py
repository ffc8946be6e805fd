# Articles written since the swap are in the new collection alone, and go with it.
client.get_collection("articles", embedding_function=None).modify(name="articles_next")
client.get_collection("articles_before", embedding_function=None).modify(name="articles")
client.delete_collection("articles_next")
