#!/usr/bin/env bash
# Says what a machine lacks, without changing it: records "name value", each ended by a NUL. Where this user may not
# look, `sudo -n` does, when it asks for no password.
# Arguments: the file of the registry's authority (or empty), directories to be mounted.
export LC_ALL=C
authority=$1
shift

say() { printf '%s %s\0' "$1" "$2"; }

sudo=()
if ((EUID == 0)); then
  say root yes
elif sudo -n true 2>/dev/null; then
  say root sudo
  sudo=(sudo -n)
else
  say root no
fi
say user "$(id -un)"
# Of the user database, not of this session: a group that was just given counts.
say groups "$(id -nG "$(id -un)")"
for tool in apt-get apt-cache systemctl service flock docker dockerd; do
  PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin type -P "$tool" >/dev/null && say tool "$tool"
done
[[ -d /run/systemd/system ]] && say tool systemd
# What the engine trusts; nothing when it does not answer.
say registries "$("${sudo[@]}" docker info --format '{{json .RegistryConfig}}' 2>/dev/null)"
if "${sudo[@]}" test -e /etc/docker/daemon.json; then
  content=$("${sudo[@]}" cat /etc/docker/daemon.json 2>/dev/null) && say daemon "$content"
else
  say daemon ''
fi
if [[ -n $authority ]]; then
  content=$("${sudo[@]}" cat -- "$authority" 2>/dev/null)
  say authority "$content"
fi
for directory in "$@"; do
  found=$("${sudo[@]}" stat -L -c '%u %g' -- "$directory" 2>/dev/null)
  say directory "${found:-missing} $directory"
done
exit 0
