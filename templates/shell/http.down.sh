# Takes back what the up script told the service.
set -u

curl --fail-with-body --silent --show-error --max-time 30 \
    --config - --request DELETE "$SERVICE_URL/features/{{table}}" <<CONFIG
header = "Authorization: Bearer $SERVICE_TOKEN"
CONFIG
