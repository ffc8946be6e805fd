# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# Apache Kafka in KRaft mode, one broker, from Maven Central, with wrappers of its command line tools. Three listeners: plain,
# for the observer of the tests, SASL (PLAIN and SCRAM), for everything else, and TLS with a login, with a certificate that a CA
# made here has signed.

PORT_BASE=21091
PORT_COUNT=4
VERSION=3.9.1
HOME_DIR=$TOOLS_DIR/kafka-$VERSION
SECRET=kafka-secret-4711

kind_packages() {
    command -v java >/dev/null 2>&1 || echo default-jre-headless
    command -v mvn >/dev/null 2>&1 || [ -e "$HOME_DIR/complete" ] || echo maven
    command -v kcat >/dev/null 2>&1 || echo kcat
    command -v openssl >/dev/null 2>&1 || echo openssl
}

pom() {
    cat <<XML
<project><modelVersion>4.0.0</modelVersion><groupId>tests</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$VERSION</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$VERSION</version>
<exclusions><exclusion><groupId>org.apache.kafka</groupId><artifactId>connect-runtime</artifactId></exclusion></exclusions></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId><version>1.7.36</version></dependency>
<dependency><groupId>ch.qos.reload4j</groupId><artifactId>reload4j</artifactId><version>1.2.25</version></dependency>
</dependencies></project>
XML
}

# A tool as the distribution has it. The class data archive halves the start of its JVM.
wrapper() {
    local name=$1 class=$2
    cat >"$HOME_DIR.part/bin/$name" <<SH
#!/bin/sh
exec java \${KAFKA_HEAP_OPTS:--Xmx128m} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Xlog:disable -Xlog:all=off -XX:SharedArchiveFile=$HOME_DIR/$name.jsa -Dlog4j.configuration=file:$HOME_DIR/tools.properties -cp '$HOME_DIR/libs/*' $class "\$@"
SH
    chmod 0755 "$HOME_DIR.part/bin/$name"
}

kind_install() {
    [ -e "$HOME_DIR/complete" ] && return 0
    mkdir -p "$TOOLS_DIR" || return 1
    (
        flock 8
        [ -e "$HOME_DIR/complete" ] && exit 0
        say "kafka: downloading into $HOME_DIR"
        rm -rf "$HOME_DIR.part" "$HOME_DIR"
        mkdir -p "$HOME_DIR.part/bin" && pom >"$HOME_DIR.part/pom.xml" || exit 1
        mvn -q -B -f "$HOME_DIR.part/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
            -DincludeScope=runtime -DoutputDirectory="$HOME_DIR.part/libs" </dev/null 8>&- || exit 1
        wrapper kafka-topics org.apache.kafka.tools.TopicCommand
        wrapper kafka-configs kafka.admin.ConfigCommand
        wrapper kafka-acls kafka.admin.AclCommand
        wrapper kafka-reassign-partitions org.apache.kafka.tools.reassign.ReassignPartitionsCommand
        wrapper kafka-consumer-groups org.apache.kafka.tools.consumer.group.ConsumerGroupCommand
        wrapper kafka-console-producer kafka.tools.ConsoleProducer
        wrapper kafka-console-consumer org.apache.kafka.tools.consumer.ConsoleConsumer
        printf '%s\n' 'log4j.rootLogger=WARN, stderr' 'log4j.appender.stderr=org.apache.log4j.ConsoleAppender' \
            'log4j.appender.stderr.layout=org.apache.log4j.PatternLayout' 'log4j.appender.stderr.layout.ConversionPattern=[%d] %p %m (%c)%n' \
            'log4j.appender.stderr.Target=System.err' >"$HOME_DIR.part/tools.properties"
        mv "$HOME_DIR.part" "$HOME_DIR" && : >"$HOME_DIR/complete"
    ) 8>"$TOOLS_DIR/kafka.lock" >>"$LOG" 2>&1
}

# A tool of the distribution against the plain listener.
tool() {
    local name=$1
    shift
    "$HOME_DIR/bin/$name" --bootstrap-server "127.0.0.1:$PORT" "$@"
}

properties() {
    cat <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((PORT + 2))
listeners=PLAIN://127.0.0.1:$PORT,SASL://127.0.0.1:$((PORT + 1)),CONTROLLER://127.0.0.1:$((PORT + 2)),TLS://127.0.0.1:$((PORT + 3))
advertised.listeners=PLAIN://127.0.0.1:$PORT,SASL://127.0.0.1:$((PORT + 1)),TLS://localhost:$((PORT + 3))
inter.broker.listener.name=PLAIN
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_plain="$SECRET";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.tls.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.tls.sasl.enabled.mechanisms=SCRAM-SHA-512
ssl.keystore.type=PEM
ssl.keystore.location=$DIR/tls/server.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:tester;User:plain
log.dirs=$DIR/data/logs
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
num.io.threads=4
num.network.threads=2
log.cleaner.dedupe.buffer.size=8388608
PROPERTIES
}

answers() { kcat -b "127.0.0.1:$PORT" -L -J -m 2; }

jvm() {
    spawn "$(command -v java)" -Xms128m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
        "-Dlog4j.configuration=file:$DIR/log4j.properties" -cp "$HOME_DIR/libs/*" kafka.Kafka "$DIR/server.properties"
}

# Class data archives of the tools, made by running each once: they need a server.
archives() {
    local name
    for name in kafka-topics kafka-configs kafka-acls kafka-console-producer kafka-console-consumer; do
        [ -e "$HOME_DIR/$name.jsa" ] && continue
        sed "s|-XX:SharedArchiveFile|-XX:ArchiveClassesAtExit|; s|$name.jsa|$name.jsa.$$|" "$HOME_DIR/bin/$name" >"$DIR/archive.sh"
        case $name in
        kafka-topics) set -- --describe --topic stepladder-test-quiet ;;
        kafka-configs) set -- --alter --entity-type topics --entity-name stepladder-test-quiet --add-config retention.ms=1000 ;;
        kafka-acls) set -- --list ;;
        kafka-console-producer) set -- --topic stepladder-test-quiet ;;
        *) set -- --topic stepladder-test-quiet --partition 0 --from-beginning --timeout-ms 100 ;;
        esac
        echo 'x' | sh "$DIR/archive.sh" --bootstrap-server "127.0.0.1:$PORT" "$@"
        [ ! -e "$HOME_DIR/$name.jsa.$$" ] || mv "$HOME_DIR/$name.jsa.$$" "$HOME_DIR/$name.jsa"
    done
}

kind_start() {
    local fresh=
    printf '%s\n' 'log4j.rootLogger=WARN, stdout' 'log4j.appender.stdout=org.apache.log4j.ConsoleAppender' \
        'log4j.appender.stdout.layout=org.apache.log4j.PatternLayout' 'log4j.appender.stdout.layout.ConversionPattern=[%d] %p %m (%c)%n' \
        'log4j.logger.kafka.server.KafkaServer=INFO' >"$DIR/log4j.properties"
    properties >"$DIR/server.properties"
    if ! [ -e "$DIR/made" ]; then
        fresh=yes
        rm -rf "$DIR/data"
        mkdir -p "$DIR/data" && tls_files "$DIR/tls" DNS:localhost || return 1
        java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "-Dlog4j.configuration=file:$DIR/log4j.properties" -cp "$HOME_DIR/libs/*" \
            kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw -c "$DIR/server.properties" \
            -S "SCRAM-SHA-512=[name=tester,password=$SECRET]" -S "SCRAM-SHA-256=[name=tester,password=$SECRET]" >>"$LOG" 2>&1 || return 1
    fi
    jvm
    wait_until 60 answers || return 1
    [ -n "$fresh" ] || return 0
    # A topic in which nothing happens, for waiting, and a loud one.
    tool kafka-topics --create --topic stepladder-test-quiet --partitions 1 >>"$LOG" 2>&1 || return 1
    tool kafka-topics --create --topic stepladder-test-noise --partitions 1 >>"$LOG" 2>&1 || return 1
    head -c 786432 /dev/zero | tr '\0' x | fold -w 1024 | kcat -b "127.0.0.1:$PORT" -P -t stepladder-test-noise >>"$LOG" 2>&1 || return 1
    head -c 262144 /dev/zero | tr '\0' y | fold -w 1024 | kcat -b "127.0.0.1:$PORT" -P -t stepladder-test-noise >>"$LOG" 2>&1 || return 1
    archives >>"$LOG" 2>&1
    : >"$DIR/made"
}

kind_env() {
    export_line STEPLADDER_TEST_KAFKA_URL "kafka://tester:$SECRET@127.0.0.1:$((PORT + 1))"
    export_line STEPLADDER_TEST_KAFKA_LOGIN_URL "kafka://plain:$SECRET@127.0.0.1:$((PORT + 1))?mechanism=PLAIN"
    export_line STEPLADDER_TEST_KAFKA_TLS_URL "kafka+ssl://tester:$SECRET@localhost:$((PORT + 3))"
    export_line STEPLADDER_TEST_KAFKA_CA "$DIR/tls/ca.crt"
    export_line STEPLADDER_TEST_KAFKA_WRONG_CA "$DIR/tls/wrong-ca.crt"
    export_line STEPLADDER_TEST_KAFKA_OPEN_URL "kafka://127.0.0.1:$PORT"
    export_line STEPLADDER_TEST_KAFKA_BIN "$HOME_DIR/bin"
}
