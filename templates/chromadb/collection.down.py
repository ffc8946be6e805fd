# Drops the collection with all its records.
client.delete_collection("{{table}}")
