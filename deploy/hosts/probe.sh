#!/usr/bin/env bash
# Says what a host is like, without changing it: records "name value", each ended by a NUL. A record that begins
# with "/" is a file that the uid cannot write in the mount named before it.
# Arguments: engine's data root, uid and gid of the application (or empty), its log file (or empty), the file of the
# registry's authority (or empty), mount sources.
export LC_ALL=C
data_root=$1 uid=$2 gid=$3 log=$4 authority=$5
shift 5

say() { printf '%s %s\0' "$1" "$2"; }

# The content of a small file in $content, without a process: a host of one core starts few of them in a millisecond.
slurp() {
  content=
  IFS= read -r -d '' content <"$1"
  content=${content%$'\n'}
}

# The value of a name in a memory.stat file, in $content.
amount() {
  local name value
  content=0
  while read -r name value; do
    [[ $name == "$2" ]] && content=$value && return
  done <"$1"
}

# The path, and on a second line what ls says of it; "missing", or "denied" when this user may not look.
describe() {
  local found
  if found=$(ls -Lldn -- "$2" 2>&1); then
    say "$1" "$2"$'\n'"there $found"
  elif [[ $found == *'No such file'* || $found == *'Not a directory'* ]]; then
    say "$1" "$2"$'\n'missing
  else
    say "$1" "$2"$'\n'denied
  fi
}

memory_limit() {
  local limit used
  slurp "$1/memory.$2"
  limit=$content
  slurp "$1/memory.$3"
  used=$content
  amount "$1/memory.stat" "$4"
  say cgroup "$limit $used $content"
}

# Limit, use and reclaimable part of each memory cgroup from PID 1's upwards: beside it the engine puts containers.
memory_limits() {
  local controllers path base v1='' v2='' current
  while IFS=: read -r _ controllers path; do
    case ",$controllers," in *,memory,*) v1=$path ;; ,,) v2=$path ;; esac
  done <"/proc/1/cgroup"
  if [[ -n $v1 ]]; then base=/sys/fs/cgroup/memory path=$v1; else base=/sys/fs/cgroup path=$v2; fi
  path=${path%/}
  while :; do
    current=$base$path
    if [[ -r $current/memory.limit_in_bytes ]]; then
      memory_limit "$current" limit_in_bytes usage_in_bytes total_inactive_file
    elif [[ -r $current/memory.max ]]; then
      memory_limit "$current" max current inactive_file
    fi
    [[ -n $path ]] || break
    path=${path%/*}
  done
}

disk() {
  local place=$data_root found
  until found=$(stat -f -c '%a %S %c %d' -- "$place" 2>/dev/null) || [[ $place == / ]]; do
    place=${place%/*}
    place=${place:-/}
  done
  say disk "$found"
}

unwritable_files() {
  [[ -n $uid && $uid != 0 ]] || return 0
  find -L "$1" -maxdepth 1 -type f ! -perm -002 ! \( -uid "$uid" -perm -200 \) ! \( -gid "$gid" -perm -020 \) \
    -print0 2>/dev/null
}

# The content of the authority's file; nothing when this user may not look.
authority() {
  local place=$authority
  if [[ -r $authority ]]; then
    slurp "$authority"
    say authority "$content"
    return
  fi
  until [[ -e $place ]]; do place=${place%/*} place=${place:-/}; done
  [[ $place != "$authority" && -x $place ]] && say authority ''
}

printf -v now '%(%s)T' -1
say clock "$now"
say id "$(id)"
say home "$HOME"
slurp /proc/sys/kernel/random/boot_id
say boot_id "$content"
slurp /proc/meminfo
say meminfo "$content"
# The kernel walks its table of all connections for /proc/net/tcp: 15 ms on a large machine, and 5 for ss.
if type -P ss >/dev/null; then
  say listening "$(ss -Hltn)"
else
  say connections "$(grep -hs ' 0A ' /proc/net/tcp /proc/net/tcp6)"
fi
type -P flock >/dev/null && say tool flock
type -P find >/dev/null && say tool find
memory_limits 2>/dev/null
disk
for source in "$@"; do
  describe mount "$source"
  unwritable_files "$source"
done
if [[ -n $log ]]; then
  until [[ -e $log || $log == / ]]; do log=${log%/*} log=${log:-/}; done
  describe log "$log"
fi
[[ -n $authority ]] && authority
exit 0
