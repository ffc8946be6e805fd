# Where the shop puts orders that the warehouse fetches.
set -u
mkdir -p var/spool/orders
