set -u
rm var/spool/orders/OWNER
