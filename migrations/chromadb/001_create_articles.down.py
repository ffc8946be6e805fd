client.delete_collection("articles")
