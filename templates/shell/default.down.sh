# Undoes the up script exactly, in the reverse order.
set -u

# rmdir "{{table}}"
