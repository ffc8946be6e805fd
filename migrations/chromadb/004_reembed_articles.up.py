# A better model with another dimension: every document is embedded anew into a second collection, then the names swap.
# A try that broke off leaves `articles_next` behind, and the next one fills it up.
BATCH = 200


def embed(text):
    return [text.count(letter) / len(text) for letter in "aehinrst"]


old = client.get_collection("articles", embedding_function=None)
new = client.get_or_create_collection(
    "articles_next",
    metadata={**old.metadata, "embedding_model": "letters-2", "dimension": 8},
    configuration={"hnsw": {"space": "cosine"}},
    embedding_function=None,
)
offset = 0
while (page := old.get(limit=BATCH, offset=offset, include=["documents", "metadatas"]))["ids"]:
    new.upsert(
        ids=page["ids"],
        documents=page["documents"],
        metadatas=page["metadatas"],
        embeddings=[embed(text) for text in page["documents"]],
    )
    offset += len(page["ids"])
if new.count() != old.count():
    raise RuntimeError(f"{old.count()} articles before, {new.count()} after: nothing was swapped")

old.modify(name="articles_before")
new.modify(name="articles")
