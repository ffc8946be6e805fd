# Tells a service over HTTP, and believes nothing but a good status.
# The token comes from the environment: what stands in a script stands in the ledger as well.
set -u

curl --fail-with-body --silent --show-error --max-time 30 \
    --config - --request PUT --data '{"enabled": true}' "$SERVICE_URL/features/{{table}}" <<CONFIG
header = "Authorization: Bearer $SERVICE_TOKEN"
header = "Content-Type: application/json"
CONFIG
