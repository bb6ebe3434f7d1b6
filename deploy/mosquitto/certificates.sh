#!/bin/sh
# Makes the certificates of a site's broker with openssl 3, as NAME.pem and NAME.key in the folder DIR.
#   certificates.sh DIR ca                          once; ca.key stays off the site's machines
#   certificates.sh DIR server HOST [HOST...]       server.pem, for every name or address that clients connect to
#   certificates.sh DIR client NAME                 NAME is an agent's id, or surplusd.controller
set -eu
umask 077
config="$(dirname "$0")/certificates.cnf"

usage() {
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

make() { # kind, file name, common name, days, further arguments
    kind=$1 file=$dir/$2 name=$3 days=$4
    shift 4
    if [ -e "$file.pem" ] || [ -e "$file.key" ]; then
        echo "certificates.sh: $file.pem or $file.key exists; move it away first" >&2
        exit 1
    fi
    if ! said=$(openssl req -x509 -config "$config" -extensions "$kind" -subj "/CN=$name" -days "$days" -sha256 \
        -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$file.key" -out "$file.pem" "$@" 2>&1); then
        rm -f "$file.key" "$file.pem"
        echo "$said" >&2
        exit 1
    fi
    chmod 644 "$file.pem"
}

alternative_names() {
    for host; do
        case $host in
        *:*) printf 'IP:%s,' "$host" ;;
        *[!0-9.]*) printf 'DNS:%s,' "$host" ;;
        *) printf 'IP:%s,' "$host" ;;
        esac
    done | sed 's/,$//'
}

[ $# -ge 2 ] || usage
dir=$1 kind=$2
shift 2
case $kind:$# in
ca:0)
    mkdir -p "$dir"
    make ca ca "surplusd site CA" 3650
    ;;
server:0) usage ;;
server:*)
    make server server "$1" 825 -CA "$dir/ca.pem" -CAkey "$dir/ca.key" \
        -addext "subjectAltName=$(alternative_names "$@")"
    ;;
client:1)
    case $1 in *[!a-z0-9.-]*) usage ;; esac
    make client "$1" "$1" 825 -CA "$dir/ca.pem" -CAkey "$dir/ca.key"
    ;;
*) usage ;;
esac
