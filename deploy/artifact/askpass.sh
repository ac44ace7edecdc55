#!/bin/sh
# Git asks this program for user names and passwords ("Password for 'https://user@host:port': "). It answers
# for one place only, scheme, host and port; a submodule, redirect or proxy elsewhere gets nothing, and
# neither does a prompt that can be read in two ways (git before 2.48.1 shows decoded user names).
# ASKPASS_PLACE, ASKPASS_USER and ASKPASS_TOKEN come in the environment: only its own user can read that.
set -eu

refuse() {
    echo "no credentials for this: $1" >&2
    exit 1
}

case $1 in
"Username for '"*"': ") asked=${1#"Username for '"} answer=${ASKPASS_USER-} ;;
"Password for '"*"': ") asked=${1#"Password for '"} answer=${ASKPASS_TOKEN-} ;;
*) refuse "$1" ;;
esac
asked=${asked%"': "}
scheme=${asked%%://*}
host=${asked#*://}
case $host in
*[!][:alnum:]._:%@~+[-]* | *@*@*) refuse "$1" ;;
esac
place=$(printf '%s://%s' "$scheme" "${host##*@}" | tr '[:upper:]' '[:lower:]')
case $place in
https://*) place=${place%:443} ;;
http://*) place=${place%:80} ;;
esac
[ -n "$answer" ] && [ "$place" = "${ASKPASS_PLACE-}" ] || refuse "$1"
printf '%s\n' "$answer"
