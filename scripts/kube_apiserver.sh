#!/usr/bin/env bash
# A real Kubernetes API server for tests/cluster: etcd, kube-apiserver and kube-controller-manager on
# loopback, as whoever calls this. There is no kubelet: no container ever starts.
#
#   scripts/kube_apiserver.sh build     compile the two binaries into the cache, once
#   scripts/kube_apiserver.sh built     is that done?
#   scripts/kube_apiserver.sh start     start an empty cluster; prints the kubeconfig's path
#   scripts/kube_apiserver.sh stop      end what `start` has started
#
# Needs Go (to build), etcd (Debian: etcd-server) and openssl. The cache is $LOCKSTEP_CACHE, or
# $XDG_CACHE_HOME/lockstep, or ~/.cache/lockstep.
set -euo pipefail

VERSION=${KUBERNETES_VERSION:-1.36.3}
CACHE=${LOCKSTEP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lockstep}
BIN=$CACHE/kubernetes-$VERSION
RUN=$CACHE/cluster
BINARIES=(kube-apiserver kube-controller-manager)

refuse() {
    printf '%s\n  allowed: %s\n  to do:   %s\n' "$1" "$2" "$3" >&2
    exit 7 # Exit.ENVIRONMENT
}

need() {
    command -v "$1" >/dev/null || refuse "no $1 on the PATH" "$2" "$3"
}

built() {
    local one
    for one in "${BINARIES[@]}"; do [ -x "$BIN/$one" ] || return 1; done
}

# Kubernetes' go.mod names its parts v0.0.0 and replaces them by directories of its repository; their
# releases are v0.MINOR.PATCH. Everything comes through Go's module proxy, checked by its checksums.
build() {
    built && return
    need go "Go 1.26 or newer" "install it, or point KUBECONFIG at kind or k3s: see docs/cluster.md"
    local work parts version=k8s.io/component-base/version
    work=$(mktemp -d)
    trap "rm -rf '$work'" EXIT
    cd "$work"
    go mod init kubernetes >/dev/null 2>&1
    go mod edit -require "k8s.io/kubernetes@v$VERSION"
    parts=$(go mod download -json "k8s.io/kubernetes@v$VERSION" | awk -F '"' '$2 == "GoMod" { print $4 }')
    awk '$1 ~ /^k8s.io\// && $2 == "v0.0.0" { print $1 }' "$parts" | sort -u | while read -r part; do
        go mod edit -replace "$part=$part@v0.${VERSION#1.}"
    done
    mkdir -p "$BIN"
    CGO_ENABLED=0 nice go build -mod=mod -trimpath -o "$BIN/" -ldflags "-s -w \
        -X $version.gitVersion=v$VERSION -X $version.gitMajor=1 -X $version.gitMinor=$(cut -d. -f2 <<<"$VERSION")" \
        "${BINARIES[@]/#/k8s.io/kubernetes/cmd/}"
}

ports() { # So many free ports of 127.0.0.1.
    python3 -c '
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(one.getsockname()[1] for one in held))' "$1"
}

launch() { # Start a command in the background; its process id goes to a file.
    local name=$1
    shift
    "$@" >"$RUN/$name.log" 2>&1 </dev/null &
    echo $! >"$RUN/$name.pid"
}

await() { # Wait for a command to succeed, unless the process of that name ends before.
    local name=$1 tries
    shift
    for ((tries = 0; tries < 300; tries++)); do
        "$@" >/dev/null 2>&1 && return
        kill -0 "$(cat "$RUN/$name.pid")" 2>/dev/null || break
        sleep 0.2
    done
    tail -n 20 "$RUN/$name.log" >&2
    stop
    refuse "$name did not start" "see above" "all of its log is $RUN/$name.log"
}

kubeconfig() { # Of the one user that there is.
    cat <<EOF
apiVersion: v1
kind: Config
current-context: lockstep-test
contexts: [{name: lockstep-test, context: {cluster: lockstep-test, user: admin}}]
clusters: [{name: lockstep-test, cluster: {server: "https://127.0.0.1:$1", certificate-authority: $RUN/apiserver.crt}}]
users: [{name: admin, user: {token: $2}}]
EOF
}

start() {
    build
    need etcd "etcd 3.4 or newer" "apt-get install etcd-server"
    need openssl "openssl" "apt-get install openssl"
    stop
    rm -rf "$RUN"
    (umask 077 && mkdir -p "$RUN")
    local client peer secure token
    read -r client peer secure < <(ports 3)
    token=$(openssl rand -hex 16)
    (umask 077 && echo "$token,admin,admin,system:masters" >"$RUN/tokens.csv")
    openssl genrsa -out "$RUN/accounts.key" 2048 2>/dev/null
    launch etcd etcd --data-dir "$RUN/etcd" --unsafe-no-fsync \
        --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
        --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
        --initial-cluster "default=http://127.0.0.1:$peer"
    launch kube-apiserver "$BIN/kube-apiserver" --etcd-servers "http://127.0.0.1:$client" \
        --bind-address 127.0.0.1 --advertise-address 127.0.0.1 --secure-port "$secure" \
        --endpoint-reconciler-type none --service-cluster-ip-range 10.96.0.0/16 --cert-dir "$RUN" \
        --token-auth-file "$RUN/tokens.csv" --authorization-mode RBAC \
        --service-account-issuer https://kubernetes.default.svc \
        --service-account-key-file "$RUN/accounts.key" --service-account-signing-key-file "$RUN/accounts.key"
    await kube-apiserver curl --fail --silent --cacert "$RUN/apiserver.crt" \
        --header "Authorization: Bearer $token" "https://127.0.0.1:$secure/readyz"
    (umask 077 && kubeconfig "$secure" "$token" >"$RUN/kubeconfig")
    launch kube-controller-manager "$BIN/kube-controller-manager" --kubeconfig "$RUN/kubeconfig" \
        --leader-elect=false --secure-port 0 --service-account-private-key-file "$RUN/accounts.key" \
        --root-ca-file "$RUN/apiserver.crt"
    await kube-controller-manager curl --fail --silent --cacert "$RUN/apiserver.crt" \
        --header "Authorization: Bearer $token" \
        "https://127.0.0.1:$secure/api/v1/namespaces/default/serviceaccounts/default"
    echo "$RUN/kubeconfig"
}

stop() {
    local name id
    for name in kube-controller-manager kube-apiserver etcd; do
        [ -f "$RUN/$name.pid" ] || continue
        id=$(cat "$RUN/$name.pid")
        if [ "$(ps -o comm= -p "$id" 2>/dev/null)" = "${name:0:15}" ]; then
            kill "$id"
            while kill -0 "$id" 2>/dev/null; do sleep 0.1; done
        fi
        rm -f "$RUN/$name.pid"
    done
}

case ${1:-} in
build | built | start | stop) "$1" ;;
*) refuse "what to do: '${1:-}'" "build, built, start, stop" "$0 start" ;;
esac
