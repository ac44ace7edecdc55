#!/usr/bin/env bash
# Holds the lock of an application on this host for as long as its owner sends heartbeats.
# Arguments: the lock file, seconds without a heartbeat after which the owner has lost it.
# stdin: one line that describes the owner; "go"; heartbeats, each a number; "release".
# stdout: lines: "ready"; then "locked", or "held AGE" and what the file says, or "error REASON"; then "beat NUMBER" for
# each heartbeat; at the end "released". When heartbeats stay away, the whole SSH session of the owner is ended with it.
export LC_ALL=C
file=$1 timeout=$2
umask 000

fail() {
  printf 'error %s\n' "$*"
  exit 1
}

# Two users of this host share the file, so it is writable for all. One that is there is opened without O_CREAT: with
# fs.protected_regular the kernel refuses that in /tmp for another user's file.
open_lock() {
  local reason
  [[ ! -L $file ]] || fail "$file is a symbolic link"
  if [[ ! -e $file ]]; then
    reason=$({ set -C && : >"$file"; } 2>&1) || [[ -e $file ]] || fail "$file cannot be made: ${reason##*: }"
  fi
  [[ -f $file ]] || fail "$file is not a regular file"
  [[ -r $file && -w $file ]] || fail "$file cannot be read and written by $(id -un); it is $(ls -ld -- "$file")"
  { exec 9<"$file"; } 2>/dev/null || fail "$file cannot be opened"
}

# What the owner sent before the link was cut may lie on the way, at a gateway say, and must not arrive once the lock is
# somebody else's. So the session that it would come through ends first: that is the sshd that started this script by the
# user's login shell. A person's own session has a terminal.
end_session() {
  local pid=$PPID name key value
  [[ -z ${SSH_TTY-} ]] || return
  while read -r name <"/proc/$pid/comm" && [[ $name == *sh ]]; do
    while read -r key value && [[ $key != PPid: ]]; do :; done <"/proc/$pid/status"
    pid=$value
  done 2>/dev/null
  [[ $name == sshd* ]] || return
  kill "$pid"
  for _ in {1..20}; do
    kill -0 "$pid" 2>/dev/null || return
    sleep 0.1
  done
  kill -9 "$pid"
}

IFS= read -r -t "$timeout" owner || exit 1
printf 'ready\n'
IFS= read -r -t "$timeout" word && [[ $word == go ]] || exit 1
type -P flock >/dev/null || fail "flock is missing"
open_lock
# Whoever got it this very moment is about to write who it is: worth a second's wait.
tries=0
until flock -n 9; do
  if [[ -s $file ]] || ((++tries > 20)); then
    printf -v now '%(%s)T' -1
    printf 'held %s\n' "$((now - $(stat -c %Y -- "$file")))"
    head -c 2000 <&9 | tr -cd '[:print:]'
    printf '\n'
    exit 0
  fi
  sleep 0.05
done
[[ $file -ef /proc/self/fd/9 ]] || fail "$file was replaced by another file just now"
# Through the descriptor, and so into the very file that is locked.
reason=$({ printf '%s\n' "$owner" >/proc/self/fd/9; } 2>&1) || fail "$file cannot be written: ${reason##*: }"
printf 'locked\n'
silent=0
while :; do
  IFS= read -r -t "$timeout" word || { (($? > 128)) && silent=1; break; }
  [[ $word != release ]] || break
  printf 'beat %s\n' "$word" || break
done
((silent)) && end_session
: >/proc/self/fd/9
exec 9<&-
printf 'released\n'
