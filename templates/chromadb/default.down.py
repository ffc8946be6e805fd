# Undoes the up script exactly, in the reverse order.

# client.delete_collection("{{table}}")
