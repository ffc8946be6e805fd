# Embeds every document anew into a second collection, and swaps the names.
# A first try that broke off leaves `{{table}}_next` behind, which this one fills up: `upsert` does nothing twice.
# Who writes into the collection meanwhile must write into both.
BATCH = 200


def embed(documents):
    raise NotImplementedError("call the new model here: one list of numbers a document")


old = client.get_collection("{{table}}", embedding_function=None)
new = client.get_or_create_collection(
    "{{table}}_next",
    metadata={**(old.metadata or {}), "embedding_model": "the new one"},
    configuration={"hnsw": {"space": "cosine"}},
    embedding_function=None,
)
offset = 0
while (page := old.get(limit=BATCH, offset=offset, include=["documents", "metadatas"]))["ids"]:
    new.upsert(
        ids=page["ids"],
        documents=page["documents"],
        metadatas=page["metadatas"],
        embeddings=embed(page["documents"]),
    )
    offset += len(page["ids"])
    print(f"{offset} records")
if new.count() != old.count():
    raise RuntimeError(f"{old.count()} records before, {new.count()} after: nothing was swapped")

old.modify(name="{{table}}_before")
new.modify(name="{{table}}")
