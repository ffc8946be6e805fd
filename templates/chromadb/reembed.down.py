# Brings the old collection back under its name. Records written since the swap are in the new one alone.
new = client.get_collection("{{table}}", embedding_function=None)
old = client.get_collection("{{table}}_before", embedding_function=None)
new.modify(name="{{table}}_next")
old.modify(name="{{table}}")
client.delete_collection("{{table}}_next")
