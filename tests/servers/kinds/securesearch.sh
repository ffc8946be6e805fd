# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# OpenSearch, the distribution that its makers test with, and their security plugin, from Maven Central: TLS, users with
# passwords, tokens (JWT). It lacks most modules (reindex, painless, ingest), which the kind `opensearch` has.

PORT_BASE=21580
VERSION=2.19.1
HOME_DIR=$TOOLS_DIR/opensearch-secure-$VERSION
# A word that a search for leaked secrets finds anywhere, and what the server keeps of it.
SECRET=elastic-secret-4711
HASH=\$2y\$12\$O61dkey/vTS913r8tTh01eKwpwIjPdBqd5Wt43cODMSdNstUb9cQK
SIGNING_KEY=stepladder-tests-sign-tokens-with-this-key

kind_packages() {
    command -v java >/dev/null 2>&1 || echo default-jre-headless
    command -v mvn >/dev/null 2>&1 || [ -e "$HOME_DIR/complete" ] || echo maven
    command -v openssl >/dev/null 2>&1 || echo openssl
    command -v python3 >/dev/null 2>&1 || echo python3
}

fetch() {
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy -DoutputDirectory="$HOME_DIR.part/zips" \
        "-Dartifact=$1:zip" </dev/null 8>&-
}

kind_install() {
    [ -e "$HOME_DIR/complete" ] && return 0
    mkdir -p "$TOOLS_DIR" || return 1
    (
        flock 8
        [ -e "$HOME_DIR/complete" ] && exit 0
        say "securesearch: downloading into $HOME_DIR"
        rm -rf "$HOME_DIR.part" "$HOME_DIR"
        mkdir -p "$HOME_DIR.part/zips" || exit 1
        fetch "org.opensearch.distribution.integ-test-zip:opensearch:$VERSION" || exit 1
        fetch "org.opensearch.plugin:opensearch-security:$VERSION.0" || exit 1
        cd "$HOME_DIR.part" && python3 -m zipfile -e "zips/opensearch-$VERSION.zip" . && mv "opensearch-$VERSION"/* . || exit 1
        python3 -m zipfile -e "zips/opensearch-security-$VERSION.0.zip" plugins/opensearch-security || exit 1
        rm -rf zips "opensearch-$VERSION"
        mv "$HOME_DIR.part" "$HOME_DIR" && : >"$HOME_DIR/complete"
    ) 8>"$TOOLS_DIR/securesearch.lock" >>"$LOG" 2>&1
}

write_yaml() {
    local file=$DIR/config/opensearch-security/$1.yml
    printf '_meta: { type: "%s", config_version: 2 }\n' "${2:-${1//_/}}" >"$file" && cat >>"$file"
}

# Who there is, and what they may do. The first domain that knows a login decides.
write_security() {
    mkdir -p "$DIR/config/opensearch-security" || return 1
    write_yaml config <<YAML
config:
  dynamic:
    http: { anonymous_auth_enabled: false, xff: { enabled: false } }
    authc:
      token:
        order: 0
        http_enabled: true
        http_authenticator:
          type: jwt
          challenge: false
          config: { signing_key: "$(printf %s "$SIGNING_KEY" | base64 -w0)", subject_key: sub, roles_key: roles }
        authentication_backend: { type: noop }
      users:
        order: 1
        http_enabled: true
        http_authenticator: { type: basic, challenge: true }
        authentication_backend: { type: intern }
YAML
    write_yaml internal_users <<YAML
tester: { hash: "$HASH", backend_roles: [admin] }
reader: { hash: "$HASH", backend_roles: [readers] }
owner: { hash: "$HASH", backend_roles: [owners] }
YAML
    write_yaml roles <<'YAML'
reads: { cluster_permissions: [cluster_monitor], index_permissions: [{ index_patterns: ["*"], allowed_actions: [read, indices_monitor] }] }
owns: { cluster_permissions: [cluster_monitor, cluster_composite_ops], index_permissions: [{ index_patterns: ["cli-*"], allowed_actions: [indices_all] }] }
YAML
    write_yaml roles_mapping rolesmapping <<'YAML'
all_access: { backend_roles: [admin] }
reads: { backend_roles: [readers] }
owns: { backend_roles: [owners] }
YAML
    for empty in action_groups tenants nodes_dn; do write_yaml "$empty" </dev/null; done
    write_yaml allowlist <<'YAML'
config: { enabled: false, requests: {} }
YAML
    write_yaml whitelist <<'YAML'
config: { enabled: false, requests: {} }
YAML
    write_yaml audit <<'YAML'
config: { enabled: false }
YAML
}

write_config() {
    local data=$1 layer
    {
        cat <<YAML
cluster.name: stepladder-tests
discovery.type: single-node
network.host: 127.0.0.1
http.port: $PORT
transport.port: $((PORT + 1))
path.data: $data
path.logs: $data
cluster.routing.allocation.disk.threshold_enabled: false
plugins.security.ssl.http.enabled: true
plugins.security.ssl.transport.enforce_hostname_verification: false
plugins.security.allow_default_init_securityindex: true
YAML
        for layer in http transport; do
            printf "plugins.security.ssl.$layer.%s\n" "pemcert_filepath: tls/server.crt" "pemkey_filepath: tls/server.key" \
                "pemtrustedcas_filepath: tls/ca.crt"
        done
    } >"$DIR/config/opensearch.yml"
    cat >"$DIR/config/log4j2.properties" <<'CONF'
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c{1.} %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
CONF
    write_security
}

answers() {
    python3 -c 'import base64, ssl, sys, urllib.request
login = base64.b64encode(b"tester:" + sys.stdin.readline().strip().encode()).decode()
url = f"https://localhost:{sys.argv[1]}/_cluster/health?wait_for_status=yellow&timeout=2s"
request = urllib.request.Request(url, headers={"Authorization": "Basic " + login})
urllib.request.urlopen(request, timeout=4, context=ssl.create_default_context(cafile=sys.argv[2]))' "$PORT" "$DIR/config/tls/ca.crt" <<<"$SECRET"
}

# It refuses to run as root, so its user gets a copy of its own. Java itself: the scripts around it start two more of it first.
kind_start() {
    local data
    data=$(memory_folder)
    server_folder "$data" || return 1
    [ -e "$DIR/home" ] || { cp -r "$HOME_DIR" "$DIR/home" && chmod -R go+rX "$DIR/home"; } || return 1
    mkdir -p "$DIR/config" || return 1
    [ -e "$DIR/config/tls/server.crt" ] || tls_files "$DIR/config/tls" || return 1
    write_config "$data" || return 1
    # The server makes a key store beside its configuration.
    if am_root; then chown -R "$(server_user)" "$DIR/config"; fi
    launch env HOME="$data" "$(java_home)/bin/java" -Xms320m -Xmx320m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
        -Djava.security.manager=allow -Djava.io.tmpdir="$data" -Dio.netty.noUnsafe=true -Dlog4j2.disable.jmx=true \
        -Dlog4j.shutdownHookEnabled=false -Djava.locale.providers=SPI,COMPAT \
        -Dopensearch.path.home="$DIR/home" -Dopensearch.path.conf="$DIR/config" -Dopensearch.distribution.type=zip \
        -Dopensearch.bundled_jdk=false -cp "$DIR/home/lib/*" org.opensearch.bootstrap.OpenSearch
    wait_until 120 answers && : >"$DIR/made"
}

kind_clean() { rm -rf "$(memory_folder)"; }

# A token for the administrator that is good until a time.
token() {
    python3 -c 'import base64, hashlib, hmac, json, sys
def part(data): return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
claims = {"sub": "robot", "roles": "admin", "exp": int(sys.argv[1])}
said = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()) + "." + part(json.dumps(claims).encode())
print(said + "." + part(hmac.new(sys.stdin.readline()[:-1].encode(), said.encode(), hashlib.sha256).digest()))' "$1" <<<"$SIGNING_KEY"
}

kind_env() {
    export_line STEPLADDER_TEST_SECURESEARCH_URL "https://tester:$SECRET@localhost:$PORT"
    export_line STEPLADDER_TEST_SECURESEARCH_READER_URL "https://reader:$SECRET@localhost:$PORT"
    export_line STEPLADDER_TEST_SECURESEARCH_OWNER_URL "https://owner:$SECRET@localhost:$PORT"
    export_line STEPLADDER_TEST_SECURESEARCH_TOKEN "$(token 4102444800)"
    export_line STEPLADDER_TEST_SECURESEARCH_EXPIRED_TOKEN "$(token 1700000000)"
    export_line STEPLADDER_TEST_SECURESEARCH_CA "$DIR/config/tls/ca.crt"
    export_line STEPLADDER_TEST_SECURESEARCH_WRONG_CA "$DIR/config/tls/wrong-ca.crt"
}
